"""What is counted of loops that stand still, and who is ended."""

from __future__ import annotations

import subprocess
import sys

from dataplane.observe.stats import StatsStore
from dataplane.resilience.watchdog import WatchdogSettings
from dataplane.server.watchdog import Alarms, Workers, names_of_worker, own_loop
from dataplane.snapshot.watchdogs import WatchdogsSettings


def counted(store: StatsStore) -> dict[str, int]:
    return {name: stat.value for name, stat in store.counters.items() if stat.value}


def test_a_loop_that_is_main_thread_and_worker_counts_as_both() -> None:
    store = StatsStore()
    own = own_loop(WatchdogsSettings(worker=WatchdogSettings(miss=0.5)), store, carries_traffic=True)
    own.silent(0.1)
    assert not counted(store)
    own.silent(0.3)
    assert counted(store) == {"main_thread.watchdog_miss": 1, "server.main_thread.watchdog_miss": 1}
    own.silent(5.0)
    assert store.counters["workers.watchdog_mega_miss"].value == store.counters["server.worker_0.watchdog_mega_miss"].value == 1
    assert store.counters["server.main_thread.watchdog_miss"].value == 2


def test_the_main_process_of_several_is_no_worker() -> None:
    store = StatsStore()
    own_loop(WatchdogsSettings(), store, carries_traffic=False).silent(5.0)
    assert not [name for name in store.counters if "worker" in name]


def test_workers_are_counted_one_by_one_and_together_and_killed_once() -> None:
    store, beats, killed = StatsStore(), {0: 1, 1: 1}, list[int]()
    alarms = [Alarms(store, names_of_worker(number)) for number in (0, 1)]
    watched = Workers(WatchdogSettings(0.25, 1.0, kill=2.0), alarms, lambda: beats, killed.append)
    for tick in range(1, 40):
        beats[0] += 1
        watched.look(tick / 8)
    assert killed == [1]
    assert counted(store) == {
        "workers.watchdog_miss": 1,
        "server.worker_1.watchdog_miss": 1,
        "workers.watchdog_mega_miss": 1,
        "server.worker_1.watchdog_mega_miss": 1,
    }


def test_a_process_that_stands_still_longer_than_its_kill_timeout_says_where_and_ends() -> None:
    script = """
import asyncio, time
from dataplane.observe.stats import StatsStore
from dataplane.resilience.watchdog import WatchdogSettings
from dataplane.server.watchdog import own_loop
from dataplane.snapshot.watchdogs import WatchdogsSettings

async def main():
    settings = WatchdogsSettings(main_thread=WatchdogSettings(kill=0.3))
    watching = asyncio.create_task(own_loop(settings, StatsStore(), carries_traffic=False).run())
    await asyncio.sleep(0)
    def where_it_stands():
        time.sleep(60)
    where_it_stands()

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "in where_it_stands" in done.stderr
