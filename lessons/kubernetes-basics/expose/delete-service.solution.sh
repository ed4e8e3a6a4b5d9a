export NODE_PORT=$(kubectl get services/kubernetes-bootcamp -o go-template='{{(index .spec.ports 0).nodePort}}')
kubectl delete service -l app=kubernetes-bootcamp
kubectl get services
curl -sS --max-time 5 $(minikube ip):$NODE_PORT
export POD_NAME=$(kubectl get pods -l app=kubernetes-bootcamp -o jsonpath='{.items[0].metadata.name}')
kubectl exec -ti $POD_NAME -- curl -sS localhost:8080
