"""The interop lab: real peers in network namespaces of this run's own, driven from pytest."""
