"""The management API's messages, generated from `proto/` by `make proto`; nothing here is written by hand."""
