"""Which event loops stand still, and for how long already: silences of loops that ought to say again and again that they turn.

Here: judging.  Not here: who says it and how (server.workers.shared_counts), counting alarms, ending processes (server.watchdog).
Envoy: config.bootstrap.v3.Watchdog, operations/watchdog; GuardDogImpl.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from math import ceil


@dataclass(frozen=True, slots=True)
class WatchdogSettings:
    """Seconds of silence until each alarm; 0.0: never.  multikill_threshold: share of the loops, 0..1."""

    miss: float = 0.2
    megamiss: float = 1.0
    kill: float = 0.0
    max_kill_jitter: float = 0.0
    multikill: float = 0.0
    multikill_threshold: float = 0.0

    @property
    def interval(self) -> float:
        """How often a loop says that it turns, and somebody looks: twice before the first alarm."""
        return min(filter(None, (self.miss, self.megamiss, self.kill, self.multikill)), default=1.0) / 2


class Alarm(Enum):
    """Each is told once for a silence.  KILL: the process has to go."""

    MISS = 0
    MEGAMISS = 1
    KILL = 2


class _Watched:
    __slots__ = ("alarms", "beats", "kill_after", "since")

    def __init__(self, beats: int, kill_after: float, now: float) -> None:
        self.beats = beats
        self.kill_after = kill_after
        self.since = now
        self.alarms: set[Alarm] = set()


class Watchdog:
    """Watches loops by number."""

    def __init__(self, settings: WatchdogSettings) -> None:
        self._settings = settings
        self._watched: dict[int, _Watched] = {}
        self._looked_at = float("-inf")

    def look(self, beats: Mapping[int, int], now: float, jitter: float = 0.0) -> list[tuple[int, Alarm]]:
        """Compare with the last look.

        beats: how often each loop has said that it turns; 0: it has not begun.  jitter: sample in [0, 1), of loops that are new.
        """
        was_late = now - self._looked_at > 3 * self._settings.interval
        self._looked_at = now
        for number in self._watched.keys() - {number for number, count in beats.items() if count}:
            del self._watched[number]
        for number, count in beats.items():
            watched = self._watched.get(number)
            if count and watched is None:
                kill_after = self._settings.kill + jitter * self._settings.max_kill_jitter
                self._watched[number] = _Watched(count, kill_after, now)
            elif watched is not None and (count != watched.beats or was_late):
                # Who looks late, stood still as well, and knows nothing of the others: perhaps the whole machine was asleep.
                watched.beats, watched.since = count, now
                watched.alarms.clear()
        return self._alarms(now)

    def _alarms(self, now: float) -> list[tuple[int, Alarm]]:
        limits = ((Alarm.MISS, self._settings.miss), (Alarm.MEGAMISS, self._settings.megamiss))
        reached = [
            (number, alarm)
            for number, watched in self._watched.items()
            for alarm, after in limits
            if after and now - watched.since >= after
        ]
        reached += [(number, Alarm.KILL) for number in self._to_kill(now)]
        told = [(number, alarm) for number, alarm in reached if alarm not in self._watched[number].alarms]
        for number, alarm in told:
            self._watched[number].alarms.add(alarm)
        return told

    def _to_kill(self, now: float) -> list[int]:
        settings = self._settings
        silences = {number: now - watched.since for number, watched in self._watched.items()}
        if settings.kill:
            killed = [number for number, silence in silences.items() if silence >= self._watched[number].kill_after]
            if killed:
                return killed
        if not settings.multikill:
            return []
        silent = [number for number, silence in silences.items() if silence >= settings.multikill]
        return silent if len(silent) >= max(2, ceil(settings.multikill_threshold * len(silences))) else []
