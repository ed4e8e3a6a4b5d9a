kubectl describe services/kubernetes-bootcamp
export NODE_PORT=$(kubectl get services/kubernetes-bootcamp -o go-template='{{(index .spec.ports 0).nodePort}}')
for i in 1 2 3 4 5 6 7 8 9 10; do curl -s $(minikube ip):$NODE_PORT; done
