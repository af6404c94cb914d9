"""The management service over the wire: REST and gRPC, health, metrics."""
