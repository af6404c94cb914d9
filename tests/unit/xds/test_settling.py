from __future__ import annotations

from dataplane.xds.settling import Settling


def settling(**timeouts: float) -> Settling:
    """Names that are waited for from second 100 on."""
    found = Settling()
    for name, timeout in timeouts.items():
        found.expect(name, 100.0, timeout)
    return found


def test_a_name_settles_with_its_answer_once() -> None:
    names = settling(a=15.0, b=15.0)
    assert names.answered(("a", "x")) == ("a",)
    assert names.answered(("a",)) == ()
    assert not names.awaits("a")
    assert names.awaits("b")


def test_a_name_settles_without_an_answer_when_its_time_is_up() -> None:
    names = settling(b=20.0, a=15.0)
    assert names.next_deadline() == 115.0
    assert names.expire(114.9) == ()
    assert names.expire(115.0) == ("a",)
    assert names.next_deadline() == 120.0
    assert names.answered(("a",)) == ()


def test_expecting_again_does_not_wait_longer() -> None:
    names = settling(a=15.0)
    names.expect("a", 110.0, 15.0)
    assert names.next_deadline() == 115.0


def test_zero_waits_for_ever() -> None:
    names = settling(a=0.0)
    assert names.next_deadline() is None
    assert names.expire(1e12) == ()
    assert names.answered(("a",)) == ("a",)


def test_a_dropped_name_is_not_waited_for() -> None:
    names = settling(a=15.0)
    names.forget(("a", "b"))
    assert names.expire(200.0) == ()
    assert names.next_deadline() is None


def test_a_name_dropped_and_wanted_again_has_its_new_deadline() -> None:
    names = settling(a=15.0)
    names.forget(("a",))
    names.expect("a", 110.0, 15.0)
    assert names.next_deadline() == 125.0
    assert names.expire(120.0) == ()
    assert names.expire(125.0) == ("a",)
