"""Watchdogs → resilience.watchdog.WatchdogSettings.  Envoy: config.bootstrap.v3.{Watchdogs, Watchdog}."""

from __future__ import annotations

from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap, Watchdog, Watchdogs

from dataplane.base.errors import FieldPath
from dataplane.compile.support import supports
from dataplane.compile.units import seconds_or
from dataplane.resilience.watchdog import WatchdogSettings
from dataplane.snapshot.watchdogs import WatchdogsSettings

supports(Watchdogs, "main_thread_watchdog", "worker_watchdog")
supports(
    Watchdog,
    "miss_timeout",
    "megamiss_timeout",
    "kill_timeout",
    "max_kill_timeout_jitter",
    "multikill_timeout",
    "multikill_threshold",
)


def compile_watchdogs(message: Bootstrap, at: FieldPath) -> WatchdogsSettings:
    """The older field `watchdog` holds for both; that not both are set is looked at elsewhere (bootstrap.part_rules)."""
    if message.HasField("watchdog"):
        both = _watchdog(message.watchdog, at / "watchdog")
        return WatchdogsSettings(both, both)
    watchdogs, at = message.watchdogs, at / "watchdogs"
    return WatchdogsSettings(
        _watchdog(watchdogs.main_thread_watchdog, at / "main_thread_watchdog"),
        _watchdog(watchdogs.worker_watchdog, at / "worker_watchdog"),
    )


def _watchdog(message: Watchdog, at: FieldPath) -> WatchdogSettings:
    return WatchdogSettings(
        miss=seconds_or(message, "miss_timeout", 0.2, at),
        megamiss=seconds_or(message, "megamiss_timeout", 1.0, at),
        kill=seconds_or(message, "kill_timeout", 0.0, at),
        max_kill_jitter=seconds_or(message, "max_kill_timeout_jitter", 0.0, at),
        multikill=seconds_or(message, "multikill_timeout", 0.0, at),
        multikill_threshold=message.multikill_threshold.value / 100,
    )
