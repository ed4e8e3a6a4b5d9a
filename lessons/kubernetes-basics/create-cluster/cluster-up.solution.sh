minikube version
minikube start
