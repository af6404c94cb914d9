"""xDS over gRPC: the shells around `delivery`."""
