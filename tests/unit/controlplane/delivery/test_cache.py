"""What streams share is built once, and not kept without bound."""

from __future__ import annotations

import weakref

import pytest

from controlplane.base.resource import Resource, Revision
from controlplane.base.type_url import CLUSTER
from controlplane.delivery import cache as cache_module
from controlplane.delivery.cache import Cache, Memo
from controlplane.delivery.snapshot import TypeView, advance
from tests.support.xds_talk import resources


def view(revision: int, **contents: str) -> TypeView:
    return advance(None, resources(revision, {CLUSTER: contents})).view(CLUSTER)


def test_equal_questions_get_the_very_same_answer() -> None:
    cache = Cache()
    one, two = view(1, a="1", b="1"), view(2, a="2", c="1")
    names = frozenset("a")
    held = [one.resources["b"]]
    assert cache.changes(one, two) is cache.changes(one, two)
    assert cache.select(one, names) is cache.select(one, frozenset("a"))
    assert cache.keeping(two, held) is cache.keeping(two, list(held))
    assert cache.endpoints_of(one, names) is cache.endpoints_of(one, names)
    assert cache.sotw(one, one.version) is cache.sotw(one, one.version)
    assert cache.sotw(one, "part", names) is cache.sotw(one, "part", names)
    assert cache.delta(one, names, frozenset()) is cache.delta(one, names, frozenset())


def test_different_questions_get_different_answers() -> None:
    cache = Cache()
    one = view(1, a="1", b="1")
    responses = {
        cache.sotw(one, one.version),
        cache.sotw(one, one.version, frozenset("a")),
        cache.sotw(one, one.version, frozenset("b")),
        cache.delta(one, frozenset("a"), frozenset()),
        cache.delta(one, frozenset("a"), frozenset("x")),
    }
    assert len(responses) == 5


def test_a_selection_has_a_version_of_its_own() -> None:
    cache = Cache()
    whole = view(3, a="1", b="1")
    selected = cache.select(whole, frozenset(("a", "missing")))
    assert set(selected.resources) == {"a"}
    assert selected.version == view(3, a="1").version


def test_keeping_adds_what_is_held_and_has_a_version_of_its_own() -> None:
    cache = Cache()
    new, old = view(2, a="2"), view(1, b="1")
    together = cache.keeping(new, old.resources.values())
    assert set(together.resources) == {"a", "b"}
    assert together.digest not in (new.digest, old.digest)
    assert cache.keeping(new, ()) is new


def test_served_contents_are_recalled_by_their_digest() -> None:
    cache = Cache()
    snapshot = advance(None, resources(1, {CLUSTER: {"a": "1"}}))
    found = snapshot.view(CLUSTER)
    assert cache.recall(CLUSTER, found.digest) is None
    cache.remember(snapshot)
    assert cache.recall(CLUSTER, found.digest) is found
    kept = cache.keeping(view(2, b="1"), found.resources.values())
    assert cache.recall(CLUSTER, kept.digest) is kept


def test_a_memo_keeps_what_was_used_last_within_its_limit() -> None:
    memo: Memo[str] = Memo(10)
    memo.put("a", "A", 4)
    memo.put("b", "B", 4)
    memo.put("b", "B", 4)
    assert memo.get("a") == "A"
    memo.put("c", "C", 4)
    assert memo.get("b") is None
    assert memo.get("a") == "A"
    assert memo.put("too large", "D", 11) == "D"
    assert memo.get("too large") is None
    assert len(memo) == 2


class Names(dict[str, Resource]):
    """A mapping that can tell when it is gone."""


def test_old_views_do_not_live_on_in_small_responses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_RESPONSE_BYTES", 15_000)
    cache = Cache()
    alive = []
    for revision in range(10):
        names = Names({f"n{number}": Resource.of(CLUSTER, f"n{number}", b"%d" % revision) for number in range(100)})
        alive.append(weakref.ref(names))
        cache.delta(TypeView.of(CLUSTER, names, Revision(revision)), frozenset(("n1",)), frozenset())
        del names
    assert [each() is not None for each in alive] == [False] * 8 + [True] * 2
