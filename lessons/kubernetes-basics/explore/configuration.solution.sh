kubectl get pods
kubectl describe pods
