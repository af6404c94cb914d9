from __future__ import annotations

from dataplane.xds.settling import Settling


def test_a_name_settles_with_its_answer_once() -> None:
    settling = Settling(15.0)
    settling.expect(("a", "b"), 100.0)
    assert settling.answered(("a", "x")) == ("a",)
    assert settling.answered(("a",)) == ()
    assert not settling.awaits("a")
    assert settling.awaits("b")


def test_a_name_settles_without_an_answer_when_its_time_is_up() -> None:
    settling = Settling(15.0)
    settling.expect(("a",), 100.0)
    settling.expect(("b",), 105.0)
    assert settling.next_deadline() == 115.0
    assert settling.expire(114.9) == ()
    assert settling.expire(115.0) == ("a",)
    assert settling.next_deadline() == 120.0
    assert settling.answered(("a",)) == ()


def test_expecting_again_does_not_wait_longer() -> None:
    settling = Settling(15.0)
    settling.expect(("a",), 100.0)
    settling.expect(("a",), 110.0)
    assert settling.next_deadline() == 115.0


def test_zero_waits_for_ever() -> None:
    settling = Settling(0.0)
    settling.expect(("a",), 100.0)
    assert settling.next_deadline() is None
    assert settling.expire(1e12) == ()
    assert settling.answered(("a",)) == ("a",)


def test_a_dropped_name_is_not_waited_for() -> None:
    settling = Settling(15.0)
    settling.expect(("a",), 100.0)
    settling.forget(("a", "b"))
    assert settling.expire(200.0) == ()
    assert settling.next_deadline() is None
