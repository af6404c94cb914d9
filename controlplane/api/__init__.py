"""The management API's messages and their JSON, for both ends of it.  `v1` is generated from `proto/` by `make proto`."""
