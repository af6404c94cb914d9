from __future__ import annotations

from dataplane.xds.backoff import Backoff


def test_the_range_doubles_up_to_its_maximum() -> None:
    backoff = Backoff()
    assert [backoff.next_delay(0.5) for _ in range(9)] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_jitter_covers_the_whole_range() -> None:
    assert Backoff().next_delay(0.0) == 0.0
    assert Backoff().next_delay(0.999) == 0.4995


def test_success_starts_over() -> None:
    backoff = Backoff(1.0, 4.0)
    for _ in range(5):
        backoff.next_delay(0.5)
    backoff.reset()
    assert backoff.next_delay(0.5) == 0.5


def test_the_base_is_never_above_the_maximum() -> None:
    assert Backoff(10.0, 2.0).next_delay(0.5) == 1.0
