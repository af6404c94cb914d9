"""Frames that cost a peer next to nothing and us a little each: how many of them one HTTP/2 connection may bring.

Here: counting, for either side.  Not here: what a flood costs (http.codec.h2, upstream.h2_reader), floods that the library sees
itself, which end the session with one of these texts (`flood_of`).
Envoy: Http2::ProtocolConstraints, Http2ProtocolOptions.max_*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dataplane.semantics.h2_options import Http2Options

DATA_FRAME: Final = 16384
_UPDATES_AHEAD: Final = 5  # window updates that need no reason, as Envoy

# What the library says when it gives up, and the statistic below `http2.` that counts it.
_OF_LIBRARY: Final = (
    ("Flooding", "outbound_control_flood"),
    ("Too many CONTINUATION", "inbound_empty_frames_flood"),
    ("exceeds configured count", "header_overflow"),
    ("exceeds configured size", "header_list_size_too_large"),
)


def flood_of(error: str) -> str:
    """The statistic of a session's error; "" where it is no flood."""
    return next((statistic for text, statistic in _OF_LIBRARY if text in error), "")


class PeerFrames:
    """Of one connection.  empty: DATA frames with nothing in them, one after the other.  data_frames: those that we sent."""

    __slots__ = ("_max_empty", "_updates", "_updates_per_frame", "data_frames", "empty")

    def __init__(self, options: Http2Options) -> None:
        self._max_empty = options.max_consecutive_inbound_frames_with_empty_payload
        self._updates_per_frame = options.max_inbound_window_update_frames_per_data_frame_sent
        self._updates = 0
        self.empty = 0
        self.data_frames = 0

    def one_more_empty(self) -> bool:
        """Whether an empty DATA frame is one too many."""
        self.empty += 1
        return self.empty > self._max_empty

    def one_more_update(self, streams: int) -> bool:
        """Whether a WINDOW_UPDATE is one too many.  streams: those that ever were.  Envoy's measure: so many for each, and for each frame."""
        self._updates += 1
        return self._updates > _UPDATES_AHEAD + 2 * (streams + self._updates_per_frame * self.data_frames)
