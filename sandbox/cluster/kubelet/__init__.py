"""What makes pods real on a node."""
