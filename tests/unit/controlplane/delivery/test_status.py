"""Kinds of streams."""

from __future__ import annotations

from controlplane.delivery.status import StreamKind


def test_a_kind_tells_its_protocol_and_whether_types_share_the_stream() -> None:
    assert {kind: (kind.is_ads, kind.is_delta) for kind in StreamKind} == {
        StreamKind.ADS_SOTW: (True, False),
        StreamKind.ADS_DELTA: (True, True),
        StreamKind.SOTW: (False, False),
        StreamKind.DELTA: (False, True),
    }
