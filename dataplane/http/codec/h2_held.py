"""Responses of one HTTP/2 connection that wait for its client: what they hold, whom that stops, and when they are given up.

Here: the streams that are open, and those that are answered and not closed yet.  Not here: frames and events (http.codec.h2), one stream
(http.codec.h2_stream).
Envoy: Http2::ConnectionImpl::StreamImpl, its pending data and stream_flush_timeout; overload action reset_high_memory_stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from dataplane.observe import flags
from dataplane.semantics import h2_session

if TYPE_CHECKING:
    from dataplane.http.codec.h2_stream import Http2Stream
    from dataplane.observe.http2_stats import Http2Stats
    from dataplane.semantics.h2_session import H2Session


class HeldResponses:
    """The part of a codec that looks at them."""

    __slots__ = ("_http2", "_lingering", "_resets", "_streams", "_waiting", "_wrote", "session")

    def __init__(self, session: H2Session, stats: Http2Stats) -> None:
        self.session = session
        self._http2 = stats
        self._streams: dict[int, Http2Stream] = {}
        self._lingering: dict[int, Http2Stream] = {}  # answered, not yet closed: bytes wait, or the request goes on
        self._resets: set[int] = set()  # streams that we reset, until the session has said so
        self._wrote: list[Http2Stream] = []
        self._waiting: set[Http2Stream] = set()  # blocked by the client's window

    def enlist(self) -> None:
        """Have what the session has written at the end of this pass of the loop.  Defined where bytes are (http.codec.h2)."""
        raise NotImplementedError

    def _reset(self, stream_id: int, code: int) -> None:
        self._http2.tx_reset.inc()
        self._resets.add(stream_id)
        self.session.reset_stream(stream_id, code)
        self.enlist()

    def _look_at_queues(self) -> None:
        """Responses that outgrow what may wait of one stream make their upstreams wait."""
        queued, waiting = self.session.queued, self._waiting
        for stream in list(waiting):
            if stream in waiting and queued(stream.stream_id) * 2 <= stream.stream.buffer_limit:
                waiting.discard(stream)
                stream.unblock()
        wrote, self._wrote = self._wrote, []
        for stream in wrote:
            is_open = not stream.local_ended and stream.stream_id in self._streams
            if is_open and stream not in waiting and queued(stream.stream_id) > stream.stream.buffer_limit:
                waiting.add(stream)
                stream.block()

    def _look_at_lingering(self) -> None:
        """A response that has gone out whole ends a request that has not: RST_STREAM, which takes nothing back."""
        for stream_id in [each for each in self._lingering if not self.session.queued(each)]:
            encoder = self._lingering.pop(stream_id)
            if not encoder.remote_ended:
                failed = encoder.reset_code == h2_session.CONNECT_ERROR
                self._reset(stream_id, h2_session.CONNECT_ERROR if failed else h2_session.NO_ERROR)

    def holding(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """api.network_filter.NetworkFilter.holding."""
        for encoder in list(self._streams.values()):
            held = self.session.queued(encoder.stream_id) + encoder.unacknowledged
            yield held, partial(encoder.stream.reset, "overload", flags.OVERLOAD_MANAGER)
        for encoder in list(self._lingering.values()):
            yield self.session.queued(encoder.stream_id), partial(self._give_up, encoder)

    def _give_up(self, encoder: Http2Stream) -> None:
        """A response that waits for its client's window."""
        if self._lingering.pop(encoder.stream_id, None) is not None:
            self._reset(encoder.stream_id, h2_session.INTERNAL_ERROR)

    def check_flush(self, now: float, timeout: float) -> float:
        """Give up responses that their clients do not take.  Returns the seconds until one more is due, 0.0: none."""
        left = 0.0
        for encoder in list(self._lingering.values()):
            rest = encoder.ended_at + timeout - now
            if rest <= 0:
                self._http2.tx_flush_timeout.inc()
                self._give_up(encoder)
            elif not left or rest < left:
                left = rest
        return left
