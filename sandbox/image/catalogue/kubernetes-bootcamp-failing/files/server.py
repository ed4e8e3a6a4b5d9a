"""A version of the tutorial's app that cannot start: its log says why, and `kubectl describe` shows the status."""

import os
import sys

HOST = os.environ["HOSTNAME"]  # in a Pod: its name

print(f"Kubernetes Bootcamp App Starting | Running On:  {HOST}", flush=True)
if "DATABASE_URL" not in os.environ:
    print("Error: the variable DATABASE_URL is not set, so the app does not know its database", file=sys.stderr)
    sys.exit(1)
print("Error: cannot reach the database", file=sys.stderr)
sys.exit(1)
