set -e
kubectl create deployment kubernetes-bootcamp --image=gcr.io/google-samples/kubernetes-bootcamp:v1 --port=8080
kubectl expose deployment/kubernetes-bootcamp --type=NodePort --port 8080
kubectl rollout status deployment/kubernetes-bootcamp --timeout=60s
