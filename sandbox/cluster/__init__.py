"""The mini-cluster: a real Kubernetes API in one process. `python -m sandbox.cluster` runs it alone."""
