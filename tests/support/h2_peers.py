"""An HTTP/2 server for tests that keeps the rules: what it says to an event is the test's, how a connection goes is here."""

from __future__ import annotations

import socket
from contextlib import suppress

from dataplane.semantics.h2_options import DEFAULT_HTTP2, Http2Options
from dataplane.semantics.h2_session import Event, H2Session, SessionError
from tests.support.tcp_peers import ThreadedPeer


class H2Peer(ThreadedPeer):
    """Serves each connection in a thread of its own."""

    options: Http2Options = DEFAULT_HTTP2

    def on_event(self, session: H2Session, event: Event) -> None:
        """Answer it.  An answer that comes too late is nobody's mistake: the stream may have ended in the read that began it."""
        raise NotImplementedError

    def serve(self, connection: socket.socket) -> None:
        session = H2Session(self.options, client=False, max_header_bytes=1 << 20, max_header_count=1000)
        connection.sendall(session.take_output())
        while data := connection.recv(65536):
            for event in session.receive(data):
                with suppress(SessionError):
                    self.on_event(session, event)
            connection.sendall(session.take_output())
