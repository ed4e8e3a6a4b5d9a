kubectl logs --selector app=kubernetes-bootcamp --tail=-1 | grep -q "Total Requests"
