"""Request ids are UUIDs of version 4."""

from __future__ import annotations

import uuid

from dataplane.http.request_id import RequestIds


def test_ids_are_different_uuids_of_version_4() -> None:
    ids = RequestIds()
    made = [ids() for _ in range(300)]
    assert len(set(made)) == 300
    for text in made:
        parsed = uuid.UUID(text.decode())
        assert (parsed.version, parsed.variant) == (4, uuid.RFC_4122)
        assert str(parsed).encode() == text


def test_every_random_bit_is_used() -> None:
    assert RequestIds(lambda size: bytes(size))() == b"00000000-0000-4000-8000-000000000000"
    assert RequestIds(lambda size: b"\xff" * size)() == b"ffffffff-ffff-4fff-bfff-ffffffffffff"
