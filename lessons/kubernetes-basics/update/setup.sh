set -e
kubectl create deployment kubernetes-bootcamp --image=gcr.io/google-samples/kubernetes-bootcamp:v1 --port=8080 --replicas=4
kubectl expose deployment/kubernetes-bootcamp --type=NodePort --port 8080
# Small images start at once: this pause makes an update slow enough to be watched. The lesson says so.
kubectl patch deployment kubernetes-bootcamp --patch '{"spec":{"minReadySeconds":5}}'
kubectl rollout status deployment/kubernetes-bootcamp --timeout=60s
