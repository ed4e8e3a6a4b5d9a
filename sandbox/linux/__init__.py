"""The only place that knows system calls: namespaces, mounts, netlink, cgroups, crun."""
