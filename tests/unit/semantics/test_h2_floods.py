from __future__ import annotations

import pytest

from dataplane.semantics.h2_floods import PeerFrames, flood_of
from dataplane.semantics.h2_options import Http2Options
from dataplane.semantics.h2_session import H2Session
from tests.support import h2_frames as wire

TABLE_ENTRY = b"\x40" + wire.block((b"a", b"x" * 4000))[1:]  # with incremental indexing
FIRST_OF_TABLE = b"\xbe"

# What the library ends the session for, by statistic.
FLOODS = {
    "outbound_control_flood": wire.frame(wire.PING, payload=bytes(8)) * 2000,
    "inbound_empty_frames_flood": wire.frame(wire.HEADERS, wire.END_STREAM, 1, wire.request_block())
    + wire.frame(wire.CONTINUATION, 0, 1) * 2000,
    "header_overflow": wire.headers(1, wire.request_block(*[(b"a", b"b")] * 1000)),
    "header_list_size_too_large": wire.headers(1, wire.request_block() + TABLE_ENTRY + FIRST_OF_TABLE * 1000),
}


@pytest.mark.parametrize(("statistic", "flood"), FLOODS.items(), ids=FLOODS)
def test_the_library_says_which_flood_it_was(statistic: str, flood: bytes) -> None:
    session = H2Session(Http2Options(), client=False, max_header_bytes=60 * 1024, max_header_count=100)
    session.receive(wire.PREFACE + wire.settings() + flood)
    assert flood_of(session.error) == statistic


def test_other_mistakes_are_no_flood() -> None:
    assert flood_of("Connection is terminating") == ""


def test_empty_frames_count_one_after_the_other() -> None:
    frames = PeerFrames(Http2Options(max_consecutive_inbound_frames_with_empty_payload=2))
    assert [frames.one_more_empty() for _ in range(3)] == [False, False, True]
    frames.empty = 0
    assert not frames.one_more_empty()


def test_window_updates_need_a_reason() -> None:
    frames = PeerFrames(Http2Options(max_inbound_window_update_frames_per_data_frame_sent=10))
    assert [frames.one_more_update(1) for _ in range(8)] == [False] * 7 + [True]
    frames.data_frames = 1
    assert [frames.one_more_update(1) for _ in range(20)] == [False] * 19 + [True]
