"""Where configuration is kept: one contract (etcd's), several implementations."""
