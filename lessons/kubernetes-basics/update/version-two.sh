set -o pipefail
new=$(kubectl get pods --selector app=kubernetes-bootcamp -o jsonpath='{range .items[*]}{.metadata.name} {.spec.containers[0].image}{"\n"}{end}' | grep "kubernetes-bootcamp:v2$" | cut -d" " -f1)
for pod in $new; do
  kubectl logs "$pod" | grep -q "Total Requests" && exit 0
done
exit 1
