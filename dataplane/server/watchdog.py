"""Loops that stand still: counted, and ended where that is configured.

Here: a loop that watches itself (of a process that is alone, of the main process), and the main process that watches its workers.
Not here: judging silences (resilience.watchdog), replacing a worker (workers.fleet).
A loop that stood still counts that itself when it goes on.  What ends it when it does not is a thread of the interpreter's own, which also
says where it stands.
Envoy differs: a worker's kill_timeout ends the worker, not the process; another takes its place.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
from collections.abc import Callable, Mapping, Sequence
from random import random
from typing import TYPE_CHECKING, Final

from dataplane.resilience.watchdog import Alarm, Watchdog

if TYPE_CHECKING:
    from dataplane.observe.stats import StatsStore
    from dataplane.resilience.watchdog import WatchdogSettings
    from dataplane.snapshot.watchdogs import WatchdogsSettings

_log = logging.getLogger("main")

_MAIN: Final = ("main_thread.", "server.main_thread.")


def names_of_worker(number: int) -> tuple[str, ...]:
    """Under which prefixes the alarms of a worker count."""
    return "workers.", f"server.worker_{number}."


class Alarms:
    """The counters of one loop."""

    def __init__(self, stats: StatsStore, prefixes: Sequence[str]) -> None:
        self._counters = {
            Alarm.MISS: [stats.counter(f"{prefix}watchdog_miss") for prefix in prefixes],
            Alarm.MEGAMISS: [stats.counter(f"{prefix}watchdog_mega_miss") for prefix in prefixes],
        }

    def count(self, alarm: Alarm) -> None:
        for counter in self._counters[alarm]:
            counter.inc()


class OwnLoop:
    """Watches the loop that it runs in.  roles: what the loop is, with what counts its alarms."""

    def __init__(self, roles: Sequence[tuple[WatchdogSettings, Alarms]]) -> None:
        self._roles = roles
        self._interval = min(settings.interval for settings, _ in roles)
        kills = [settings.kill + random() * settings.max_kill_jitter for settings, _ in roles if settings.kill]
        self._kill_after = min(kills, default=0.0)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                if self._kill_after:
                    faulthandler.dump_traceback_later(self._kill_after, exit=True)
                before = loop.time()
                await asyncio.sleep(self._interval)
                self.silent(loop.time() - before - self._interval)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def silent(self, seconds: float) -> None:
        """The loop has come back so late."""
        for settings, alarms in self._roles:
            if settings.miss and seconds >= settings.miss:
                alarms.count(Alarm.MISS)
            if settings.megamiss and seconds >= settings.megamiss:
                alarms.count(Alarm.MEGAMISS)


def own_loop(watchdogs: WatchdogsSettings, stats: StatsStore, *, carries_traffic: bool) -> OwnLoop:
    """Of the process that has the configuration.  carries_traffic: it has no workers, and counts as the first of them itself."""
    roles = [(watchdogs.main_thread, Alarms(stats, _MAIN))]
    if carries_traffic:
        roles.append((watchdogs.worker, Alarms(stats, names_of_worker(0))))
    return OwnLoop(roles)


class Workers:
    """Watches the loops of others.  beats: how often each has said that it turns.  kill: ends one."""

    def __init__(
        self,
        settings: WatchdogSettings,
        alarms: Sequence[Alarms],
        beats: Callable[[], Mapping[int, int]],
        kill: Callable[[int], None],
    ) -> None:
        self._interval = settings.interval
        self._watchdog = Watchdog(settings)
        self._alarms = alarms
        self._beats = beats
        self._kill = kill

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self.look(loop.time())
            await asyncio.sleep(self._interval)

    def look(self, now: float) -> None:
        for number, alarm in self._watchdog.look(self._beats(), now, random()):
            if alarm is Alarm.KILL:
                _log.critical("worker %d stands still and is ended", number)
                self._kill(number)
            else:
                self._alarms[number].count(alarm)
