"""The upstream side over HTTP/2 without sockets: a pool, and hosts that keep the protocol or break it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dataplane.base.write_queue import WriteQueue
from dataplane.observe.http2_stats import Http2Stats
from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options
from dataplane.semantics.h2_session import H2Session, RequestReceived
from dataplane.upstream.pool_h2 import H2Pool
from dataplane.upstream.pool_settings import Http2Settings, PoolSettings
from tests.support.upstream_wire import Peer, Recorder, Wire


class H2Wire(Wire):
    """As Wire, with a pool of HTTP/2."""

    def __init__(self, options: Http2Options = DEFAULT_HTTP2, *, buffer_limit: int = 1 << 20, **settings: Any) -> None:
        super().__init__(**settings)
        self.soon: list[Callable[[], None]] = []
        stats = Http2Stats(self.store.scope("cluster.c."))
        http2 = Http2Settings(lambda: stats, WriteQueue(self.soon.append), lambda: 0.0, options, buffer_limit=buffer_limit)
        known: PoolSettings = self.pool._settings  # the same, whatever is spoken
        self.h2_pool = H2Pool(self.host, known, http2, self.breakers, self._on_empty)

    def ask(self, request: Recorder | None = None) -> Recorder:
        request = request or Recorder()
        request.pending = self.h2_pool.new_stream(request)
        self.run()
        return request

    def run(self) -> None:
        """What is called soon."""
        while self.soon:
            self.soon.pop(0)()

    def accept(self, number: int = -1, options: Http2Options = DEFAULT_HTTP2) -> H2Host:
        """Let a dial succeed; the host greets."""
        host = H2Host(self, self.peers[number].accept(), options)
        host.pump()
        return host

    def exchange(self, *recorders: Recorder) -> tuple[Any, Any]:
        """Requests on one fresh connection: the last recorder and the host."""
        last = None
        for request in recorders or (Recorder(),):
            last = self.ask(request)
        return last, self.accept()


class H2Host:
    """The host's end of one connection."""

    def __init__(self, wire: H2Wire, peer: Peer, options: Http2Options) -> None:
        self.wire = wire
        self.peer = peer
        self.session = H2Session(options, client=False, max_header_bytes=1 << 20, max_header_count=1000)
        self.events: list[Any] = []

    def pump(self) -> list[Any]:
        """Carry bytes both ways until nobody has any.  Returns the new events."""
        new: list[Any] = []
        while True:
            self.wire.run()
            received = self.peer.take()
            new += self.session.receive(received) if received else []
            output = self.session.take_output()
            new += self.session.events()
            if output:
                self.peer.send(output)
            elif not received:
                self.events += new
                return new

    def requests(self) -> list[int]:
        """The streams that have begun."""
        return [event.stream_id for event in self.events if type(event) is RequestReceived]

    def respond(self, stream_id: int, status: bytes = b"200", body: bytes = b"", end_stream: bool = True) -> None:
        self.session.send_response(stream_id, [(b":status", status)], end_stream=end_stream and not body)
        if body:
            self.session.send_data(stream_id, body, end_stream=end_stream)
        self.pump()
