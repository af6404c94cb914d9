"""Predicates on accepted connections."""

from __future__ import annotations

from dataplane.matching.listener_predicate import AllOf, Always, AnyOf, Not, PortRange

LOW, HIGH = PortRange(1, 1024), PortRange(1000, 2000)


def test_a_range_holds_its_start_and_not_its_end() -> None:
    assert [port for port in (0, 1, 1023, 1024) if LOW.matches(port)] == [1, 1023]


def test_without_a_port_no_range_matches() -> None:
    assert not LOW.matches(None)
    assert Not(LOW).matches(None)
    assert Always().matches(None)


def test_combinations() -> None:
    assert [port for port in (10, 1010, 1500) if AllOf((LOW, HIGH)).matches(port)] == [1010]
    assert [port for port in (10, 1010, 3000) if AnyOf((LOW, HIGH)).matches(port)] == [10, 1010]
