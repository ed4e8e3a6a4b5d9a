count=$(kubectl logs --selector app=kubernetes-bootcamp --tail=-1 --max-log-requests=50 | grep "Total Requests" | cut -d" " -f3 | sort -u | wc -l)
echo "$count"
[ "$count" -ge 2 ]
