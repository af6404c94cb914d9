"""Silences of loops."""

from __future__ import annotations

from dataplane.resilience.watchdog import Alarm, Watchdog, WatchdogSettings

TICKS = 8  # in a second: sums of such times are exact
SETTINGS = WatchdogSettings(miss=0.25, megamiss=1.0)


class World:
    """Loops that beat when they are told to, looked at eight times a second."""

    def __init__(self, settings: WatchdogSettings, loops: int = 2, jitter: float = 0.0) -> None:
        self.watchdog = Watchdog(settings)
        self.beats = dict.fromkeys(range(loops), 1)
        self.jitter = jitter
        self.ticks = 0

    def run(self, seconds: float, silent: tuple[int, ...] = ()) -> list[tuple[float, int, Alarm]]:
        """Alarms with the time since the beginning of this run."""
        found = []
        for tick in range(1, round(seconds * TICKS) + 1):
            self.ticks += 1
            for number in self.beats:
                self.beats[number] += number not in silent
            now = self.ticks / TICKS
            found += [(tick / TICKS, number, alarm) for number, alarm in self.watchdog.look(self.beats, now, self.jitter)]
        return found


def test_who_beats_raises_no_alarm() -> None:
    assert World(SETTINGS).run(5.0) == []


def test_each_alarm_comes_once_for_a_silence() -> None:
    world = World(SETTINGS)
    world.run(1.0)
    assert world.run(3.0, silent=(1,)) == [(0.25, 1, Alarm.MISS), (1.0, 1, Alarm.MEGAMISS)]
    world.run(0.125)
    assert world.run(0.5, silent=(1,)) == [(0.25, 1, Alarm.MISS)]


def test_a_loop_that_has_not_begun_is_not_watched() -> None:
    world = World(SETTINGS, loops=1)
    world.beats[1] = 0
    assert [world.watchdog.look({0: tick, 1: 0}, tick / TICKS) for tick in range(1, 30)] == [[]] * 29


def test_a_replacement_begins_anew() -> None:
    world = World(SETTINGS)
    world.run(1.0)
    world.run(0.9, silent=(1,))
    del world.beats[1]
    world.run(0.125)
    world.beats[1] = 1
    assert world.run(0.25, silent=(1,)) == []


def test_kill_comes_once_and_after_a_jitter() -> None:
    settings = WatchdogSettings(miss=0.25, kill=2.0, max_kill_jitter=1.0)
    world = World(settings, jitter=0.5)
    world.run(1.0)
    kills = [(when, number) for when, number, alarm in world.run(4.0, silent=(0,)) if alarm is Alarm.KILL]
    assert kills == [(2.5, 0)]


def test_many_are_killed_only_when_enough_are_silent() -> None:
    settings = WatchdogSettings(miss=0.25, multikill=2.0, multikill_threshold=0.6)
    world = World(settings, loops=4)
    world.run(1.0)
    assert not [each for each in world.run(4.0, silent=(0, 1)) if each[2] is Alarm.KILL]
    killed = [each for each in world.run(4.0, silent=(0, 1, 2)) if each[2] is Alarm.KILL]
    assert killed == [(2.0, number, Alarm.KILL) for number in (0, 1, 2)]


def test_one_silent_loop_is_never_many() -> None:
    world = World(WatchdogSettings(miss=0.25, multikill=1.0))
    world.run(1.0)
    assert not [each for each in world.run(4.0, silent=(0,)) if each[2] is Alarm.KILL]


def test_who_stood_still_as_well_accuses_nobody() -> None:
    world = World(WatchdogSettings(miss=0.25, megamiss=0.0, kill=1.0))
    world.run(1.0)
    world.ticks += 100
    assert world.run(0.125, silent=(0, 1)) == []
    assert world.run(0.5) == []


def test_how_often_somebody_looks() -> None:
    assert SETTINGS.interval == 0.125
    assert WatchdogSettings(kill=0.1).interval == 0.05
    assert WatchdogSettings(miss=0.0, megamiss=0.0).interval == 0.5
