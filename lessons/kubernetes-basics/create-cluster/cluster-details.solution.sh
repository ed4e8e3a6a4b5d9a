kubectl cluster-info
kubectl get nodes
