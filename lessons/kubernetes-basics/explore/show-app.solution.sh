nohup kubectl proxy >/dev/null 2>&1 &
export POD_NAME=$(kubectl get pods -o go-template --template '{{range .items}}{{.metadata.name}}{{"\n"}}{{end}}')
curl -sS --retry 20 --retry-delay 1 --retry-connrefused http://localhost:8001/api/v1/namespaces/default/pods/$POD_NAME/proxy/
