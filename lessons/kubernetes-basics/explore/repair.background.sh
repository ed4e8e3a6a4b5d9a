kubectl apply -f - <<'MANIFEST'
apiVersion: apps/v1
kind: Deployment
metadata:
  name: greeter
  labels:
    app: greeter
spec:
  minReadySeconds: 3
  selector:
    matchLabels:
      app: greeter
  template:
    metadata:
      labels:
        app: greeter
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: greeter
          image: busybox
          ports:
            - containerPort: 8080
          command:
            - sh
            - -c
            - |
              echo "greeter is starting"
              if [ -z "$GREETING" ]; then
                echo "ERROR: the environment variable GREETING is not set" >&2
                exit 1
              fi
              mkdir -p /www
              echo "$GREETING" > /www/index.html
              echo "greeter is ready"
              exec httpd -f -p 8080 -h /www
MANIFEST
