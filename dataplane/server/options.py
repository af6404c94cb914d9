"""The command line of the data plane, as values.  Envoy: operations/cli."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Tools expect every field of admin.v3.CommandLineOptions; these are of flags that change nothing here.
_WITHOUT_EFFECT: Final[dict[str, object]] = {
    "disabled_extensions": [],
    "enable_core_dump": False,
    "enable_fine_grain_logging": False,
    "enable_mutex_tracing": False,
    "ignore_unknown_dynamic_fields": False,
    "log_format_escaped": False,
    "log_stacktrace_single_entry": False,
}


@dataclass(frozen=True, slots=True)
class Options:
    """Times in seconds unless the name says otherwise.  concurrency: workers, at least 1."""

    config_path: str = ""
    config_yaml: str = ""
    mode: str = "serve"
    concurrency: int = 1
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
    base_id_given: bool = False  # else it is only the default
    base_id_path: str = ""
    use_dynamic_base_id: bool = False
    socket_path: str = "@envoy_domain_socket"
    socket_mode: int = 0o600
    skip_hot_restart_on_no_parent: bool = False
    skip_hot_restart_parent_stats: bool = False
    admin_address_path: str = ""
    stats_tags: tuple[tuple[str, str], ...] = ()
    cpuset_threads: bool = False
    journal_path: str = ""
    journal_secrets: bool = False
    ignored: tuple[str, ...] = ()  # flags that were given, are accepted and change nothing here

    def command_line(self) -> dict[str, object]:
        """The fields of admin.v3.CommandLineOptions, for `/server_info`."""
        return {
            "base_id": str(self.base_id),
            "base_id_path": self.base_id_path,
            "use_dynamic_base_id": self.use_dynamic_base_id,
            "socket_path": self.socket_path,
            "socket_mode": self.socket_mode,
            "skip_hot_restart_on_no_parent": self.skip_hot_restart_on_no_parent,
            "skip_hot_restart_parent_stats": self.skip_hot_restart_parent_stats,
            "concurrency": self.concurrency,
            "config_path": self.config_path,
            "config_yaml": self.config_yaml,
            "allow_unknown_static_fields": self.allow_unknown_static_fields,
            "reject_unknown_dynamic_fields": self.reject_unknown_dynamic_fields,
            "skip_deprecated_logs": self.skip_deprecated_logs,
            "admin_address_path": self.admin_address_path,
            "local_address_ip_version": self.local_address_ip_version,
            "log_level": self.log_level,
            "component_log_level": self.component_log_level,
            "log_format": self.log_format,
            "log_path": self.log_path,
            "service_cluster": self.service_cluster,
            "service_node": self.service_node,
            "service_zone": self.service_zone,
            "file_flush_interval": f"{self.file_flush_interval_msec / 1000:g}s",
            "file_flush_min_size": self.file_flush_min_size_kb << 10,
            "drain_time": f"{self.drain_time}s",
            "drain_strategy": self.drain_strategy.capitalize(),
            "parent_shutdown_time": f"{self.parent_shutdown_time}s",
            "mode": {"serve": "Serve", "validate": "Validate", "init_only": "InitOnly"}[self.mode],
            "disable_hot_restart": self.disable_hot_restart,
            "restart_epoch": self.restart_epoch,
            "cpuset_threads": self.cpuset_threads,
            "stats_tag": [f"{name}:{value}" for name, value in self.stats_tags],
            **_WITHOUT_EFFECT,
        }
