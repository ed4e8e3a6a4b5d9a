export NODE_PORT=$(kubectl get services/kubernetes-bootcamp -o go-template='{{(index .spec.ports 0).nodePort}}')
kubectl scale deployments/kubernetes-bootcamp --replicas=0
kubectl get deployments
curl -sS --max-time 5 $(minikube ip):$NODE_PORT
kubectl scale deployments/kubernetes-bootcamp --replicas=2
kubectl rollout status deployment/kubernetes-bootcamp --timeout=60s
curl -sS --retry 20 --retry-delay 1 --retry-connrefused $(minikube ip):$NODE_PORT
