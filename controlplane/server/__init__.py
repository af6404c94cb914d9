"""The control plane as a running process."""
