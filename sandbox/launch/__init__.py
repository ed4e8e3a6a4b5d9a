"""The launcher daemon: makes sandboxes out of namespaces and speaks the Backend verbs on a unix socket."""
