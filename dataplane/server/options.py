"""The command line of the data plane, as values.  Envoy: operations/cli."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds unless the name says otherwise.  concurrency 0: one worker per hardware thread."""

    config_path: str = ""
    config_yaml: str = ""
    mode: str = "serve"
    concurrency: int = 0
    service_cluster: str = ""
    service_node: str = ""
    service_zone: str = ""
    log_level: str = "info"
    component_log_level: str = ""
    log_format: str = ""
    log_path: str = ""
    drain_time: int = 600
    drain_strategy: str = "gradual"
    parent_shutdown_time: int = 900
    local_address_ip_version: str = "v4"
    file_flush_interval_msec: int = 10_000
    file_flush_min_size_kb: int = 64
    allow_unknown_static_fields: bool = False
    reject_unknown_dynamic_fields: bool = False
    skip_deprecated_logs: bool = False
    disable_hot_restart: bool = False
    restart_epoch: int = 0
    base_id: int = 0
    admin_address_path: str = ""
    stats_tags: tuple[tuple[str, str], ...] = ()
    cpuset_threads: bool = False
    ignored: tuple[str, ...] = ()  # flags that were given, are accepted and change nothing here
