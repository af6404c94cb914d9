"""The watchdogs of a process as compiled.  Envoy: config.bootstrap.v3.Watchdogs."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataplane.resilience.watchdog import WatchdogSettings


@dataclass(frozen=True, slots=True)
class WatchdogsSettings:
    """main_thread: of the loop that has the configuration.  worker: of those that carry traffic; a loop may be both."""

    main_thread: WatchdogSettings = field(default_factory=WatchdogSettings)
    worker: WatchdogSettings = field(default_factory=WatchdogSettings)
