"""What streams share is built once, and not kept without bound."""

from __future__ import annotations

from controlplane.base.type_url import CLUSTER
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
    memo: Memo[bytes] = Memo(10, len)
    memo.put("a", b"aaaa")
    memo.put("b", b"bbbb")
    memo.put("b", b"bbbb")
    assert memo.get("a") == b"aaaa"
    memo.put("c", b"cccc")
    assert memo.get("b") is None
    assert memo.get("a") == b"aaaa"
    assert memo.put("too large", b"x" * 11) == b"x" * 11
    assert memo.get("too large") is None
    assert len(memo) == 2
