"""What an operator can ask of the control plane; REST and gRPC are two spellings of it."""
