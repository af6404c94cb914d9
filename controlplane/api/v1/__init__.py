"""Generated from `proto/controlplane/api/v1/` by `make proto`; nothing else here is written by hand."""
