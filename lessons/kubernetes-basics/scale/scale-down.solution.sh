kubectl scale deployments/kubernetes-bootcamp --replicas=2
kubectl rollout status deployment/kubernetes-bootcamp --timeout=60s
kubectl get deployments
kubectl get pods -o wide
