kubectl exec deploy/greeter -- wget -qO- localhost:8080 >/dev/null 2>&1
