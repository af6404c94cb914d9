from __future__ import annotations

from dataplane.xds.patience import Missing, Patience


def test_the_clock_starts_when_a_name_is_missed_first() -> None:
    patience = Patience()
    assert patience.miss("a", 100.0, 5.0) == Missing("a", 100.0, 105.0)
    assert patience.miss("a", 104.0, 5.0) == Missing("a", 100.0, 105.0)
    assert patience.miss("a", 105.0, 5.0) is None


def test_zero_is_for_ever() -> None:
    patience = Patience()
    assert patience.miss("a", 100.0, 0.0) == Missing("a", 100.0, None)
    assert patience.miss("a", 1e12, 0.0) == Missing("a", 100.0, None)


def test_a_name_that_was_seen_has_a_new_clock() -> None:
    patience = Patience()
    patience.miss("a", 100.0, 5.0)
    patience.settle({"a"}, lambda: {"a"})
    assert patience.miss("a", 110.0, 5.0) == Missing("a", 110.0, 115.0)


def test_so_has_one_that_nobody_named_meanwhile() -> None:
    patience = Patience()
    patience.miss("a", 100.0, 5.0)
    patience.settle((), set)
    assert patience.miss("a", 110.0, 5.0) == Missing("a", 110.0, 115.0)


def test_while_nothing_is_missed_nobody_is_asked_who_is_named() -> None:
    def never() -> set[str]:
        raise AssertionError

    patience = Patience()
    patience.settle((), never)
    assert patience.miss("a", 100.0, 5.0) == Missing("a", 100.0, 105.0)
