"""The `minikube` command that learners type."""
