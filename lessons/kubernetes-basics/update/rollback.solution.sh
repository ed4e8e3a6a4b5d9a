kubectl set image deployments/kubernetes-bootcamp kubernetes-bootcamp=gcr.io/google-samples/kubernetes-bootcamp:v10
for i in $(seq 30); do kubectl get pods | grep -q ImagePullBackOff && break; sleep 1; done
kubectl get deployments
kubectl get pods
kubectl rollout undo deployments/kubernetes-bootcamp
kubectl rollout status deployments/kubernetes-bootcamp --timeout=100s
kubectl describe pods
