"""The one process of ours inside a sandbox that the platform talks to."""
