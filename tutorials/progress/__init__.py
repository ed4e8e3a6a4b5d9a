"""Attempts, passed steps, and the sandboxes that they want."""
