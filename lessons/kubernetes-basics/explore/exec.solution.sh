export POD_NAME=$(kubectl get pods -l app=kubernetes-bootcamp -o jsonpath='{.items[0].metadata.name}')
kubectl exec $POD_NAME -- env
kubectl exec -ti $POD_NAME -- bash -c 'cat server.py; curl -sS localhost:8080'
