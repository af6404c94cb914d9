"""The journal as bytes: what was written is read again, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.xds.journal import JournaledResource, UnusableJournalError, decode, encode
from dataplane.xds.types import CLUSTER, LISTENER

A = JournaledResource("a", "1", b"\x00body of a\n")
B = JournaledResource("b\u00e4", "", b"")


def test_what_was_written_is_read_again() -> None:
    data = encode("proxy-1/edge", 12.5, {CLUSTER: [B, A], LISTENER: []})
    journal = decode(data, "proxy-1/edge")
    assert journal.written == 12.5
    assert journal.resources == {CLUSTER: (A, B), LISTENER: ()}


def test_the_same_resources_make_the_same_bytes() -> None:
    assert encode("n", 1, {CLUSTER: [A, B]}) == encode("n", 1, {CLUSTER: [B, A]})


def test_another_node_has_another_configuration() -> None:
    with pytest.raises(UnusableJournalError, match="node proxy-1"):
        decode(encode("proxy-1", 1, {CLUSTER: [A]}), "proxy-2")


@given(st.data())
def test_no_damage_is_overlooked(data: st.DataObject) -> None:
    whole = encode("n", 1, {CLUSTER: [A, B]})
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != whole[at]))
    for damaged in (whole[:at] + bytes([byte]) + whole[at + 1 :], whole[:at]):
        with pytest.raises(UnusableJournalError):
            decode(damaged, "n")


@given(st.binary(max_size=200))
def test_other_bytes_are_no_journal(data: bytes) -> None:
    with pytest.raises(UnusableJournalError):
        decode(data, "n")
