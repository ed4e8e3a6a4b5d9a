kubectl logs -l app=greeter
kubectl set env deployment/greeter GREETING="Good morning"
kubectl rollout status deployment/greeter --timeout=60s
kubectl exec deploy/greeter -- wget -qO- localhost:8080
