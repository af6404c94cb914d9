"""Counters of listeners, each declared once beside its Envoy name.  Envoy: configuration/listeners/stats."""

from __future__ import annotations

from typing import Final

from dataplane.base.address import Address, InternalAddress
from dataplane.observe.stats import Scope, StatsStore


class ListenerStats:
    """`listener.<address>.`"""

    def __init__(self, scope: Scope, worker: int) -> None:
        self.cx_total: Final = scope.counter("downstream_cx_total")
        self.cx_active: Final = scope.gauge("downstream_cx_active")
        self.cx_destroy: Final = scope.counter("downstream_cx_destroy")
        self.cx_length_ms: Final = scope.histogram("downstream_cx_length_ms")
        self.cx_overflow: Final = scope.counter("downstream_cx_overflow")
        self.cx_overload_reject: Final = scope.counter("downstream_cx_overload_reject")
        self.global_cx_overflow: Final = scope.counter("downstream_global_cx_overflow")
        self.cx_transport_socket_connect_timeout: Final = scope.counter("downstream_cx_transport_socket_connect_timeout")
        self.listener_filter_error: Final = scope.counter("downstream_listener_filter_error")
        self.listener_filter_remote_close: Final = scope.counter("downstream_listener_filter_remote_close")
        self.pre_cx_active: Final = scope.gauge("downstream_pre_cx_active")
        self.pre_cx_timeout: Final = scope.counter("downstream_pre_cx_timeout")
        self.network_extension_config_missing: Final = scope.counter("network_extension_config_missing")
        self.no_filter_chain_match: Final = scope.counter("no_filter_chain_match")
        self.worker_cx_total: Final = scope.counter(f"worker_{worker}.downstream_cx_total")
        self.worker_cx_active: Final = scope.gauge(f"worker_{worker}.downstream_cx_active")


class ListenerManagerStats:
    """`listener_manager.`"""

    def __init__(self, store: StatsStore) -> None:
        scope = store.scope("listener_manager.")
        self.added: Final = scope.counter("listener_added")
        self.modified: Final = scope.counter("listener_modified")
        self.removed: Final = scope.counter("listener_removed")
        self.stopped: Final = scope.counter("listener_stopped")
        self.in_place_updated: Final = scope.counter("listener_in_place_updated")
        self.create_success: Final = scope.counter("listener_create_success")
        self.create_failure: Final = scope.counter("listener_create_failure")
        self.active: Final = scope.gauge("total_listeners_active")
        self.draining: Final = scope.gauge("total_listeners_draining")
        self.warming: Final = scope.gauge("total_listeners_warming")
        self.filter_chains_draining: Final = scope.gauge("total_filter_chains_draining")
        self.workers_started: Final = scope.gauge("workers_started")


def stat_prefix(address: Address, configured: str) -> str:
    """What a listener's stats begin with.  configured: `Listener.stat_prefix`."""
    name = f"envoy_internal_{address.listener_name}" if isinstance(address, InternalAddress) else str(address)
    return f"listener.{(configured or name).replace(':', '_')}."
