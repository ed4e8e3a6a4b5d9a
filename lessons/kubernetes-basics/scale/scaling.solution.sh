kubectl get rs
kubectl scale deployments/kubernetes-bootcamp --replicas=4
kubectl rollout status deployment/kubernetes-bootcamp --timeout=60s
kubectl get pods -o wide
kubectl describe deployments/kubernetes-bootcamp
