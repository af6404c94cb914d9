"""Versions follow content; what did not change stays the same object."""

from __future__ import annotations

from controlplane.base.resource import Revision
from controlplane.base.type_url import CLUSTER, LISTENER
from controlplane.delivery.snapshot import advance, changes_between, claimed_view, digest_in, empty_view
from tests.support.xds_talk import resources


def test_a_version_tells_the_revision_and_the_content() -> None:
    view = advance(None, resources(7, {CLUSTER: {"a": "1"}})).view(CLUSTER)
    assert view.version == f"7-{view.digest}"
    assert digest_in(view.version) == view.digest
    assert digest_in(view.part_version) != view.digest


def test_a_type_that_did_not_change_keeps_its_view_and_version() -> None:
    before = advance(None, resources(1, {CLUSTER: {"a": "1"}, LISTENER: {"l": "1"}}))
    after = advance(before, resources(2, {CLUSTER: {"a": "1"}, LISTENER: {"l": "2"}}))
    assert after.revision == 2
    assert after.view(CLUSTER) is before.view(CLUSTER)
    assert after.view(CLUSTER).since == 1
    assert after.view(LISTENER).since == 2


def test_the_same_mapping_is_not_looked_into() -> None:
    published = resources(1, {CLUSTER: {"a": "1"}})
    before = advance(None, published)
    assert advance(before, published).view(CLUSTER) is before.view(CLUSTER)


def test_a_digest_changes_with_a_name_or_a_content() -> None:
    contents = ({"a": "1"}, {"a": "2"}, {"b": "1"}, {"a": "1", "b": "1"}, {})
    digests = {advance(None, resources(1, {CLUSTER: content})).view(CLUSTER).digest for content in contents}
    assert len(digests) == len(contents)


def test_a_type_without_resources_is_an_empty_view() -> None:
    snapshot = advance(None, resources(1, {}))
    assert snapshot.view(CLUSTER) is empty_view(CLUSTER)
    assert dict(snapshot.view(CLUSTER).resources) == {}
    assert snapshot.view(CLUSTER).version_of("a") == ""


def test_changes_are_by_version() -> None:
    old = advance(None, resources(1, {CLUSTER: {"kept": "1", "changed": "1", "gone": "1"}})).view(CLUSTER)
    new = advance(None, resources(2, {CLUSTER: {"kept": "1", "changed": "2", "new": "1"}})).view(CLUSTER)
    changes = changes_between(old, new)
    assert changes.changed == {"changed", "new"}
    assert changes.removed == {"gone"}


def test_a_claim_is_compared_like_a_view() -> None:
    view = advance(None, resources(3, {CLUSTER: {"a": "1", "b": "1"}})).view(CLUSTER)
    claim = claimed_view(CLUSTER, {"a": view.version_of("a"), "old": "x"})
    assert claim.since == Revision(0)
    changes = changes_between(claim, view)
    assert (changes.changed, changes.removed) == ({"b"}, {"old"})
