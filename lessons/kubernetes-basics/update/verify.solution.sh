kubectl rollout status deployments/kubernetes-bootcamp --timeout=100s
export NODE_PORT=$(kubectl get services/kubernetes-bootcamp -o go-template='{{(index .spec.ports 0).nodePort}}')
curl -sS $(minikube ip):$NODE_PORT
kubectl describe pods
