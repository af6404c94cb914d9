"""Handshakes in memory: a client's context and a server's, no sockets, and a session that may be taken up."""

from __future__ import annotations

import ssl
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shaken:
    """The two ends of a connection."""

    client: ssl.SSLObject
    server: ssl.SSLObject

    @property
    def session(self) -> ssl.SSLSession | None:
        return self.client.session

    @property
    def resumed(self) -> bool:
        assert self.client.session_reused == self.server.session_reused
        return bool(self.client.session_reused)


def shake_hands(
    client: ssl.SSLContext, server: ssl.SSLContext, session: ssl.SSLSession | None = None, name: str = "a.test"
) -> Shaken:
    """Raises ssl.SSLError where one of the two does not want the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name, session=session)
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    done = [False, False]
    for _ in range(4):
        for index, end in enumerate((theirs, ours)):
            try:
                end.do_handshake()
                done[index] = True
            except ssl.SSLWantReadError:
                pass
    assert all(done)
    ours.write(b"x")  # tickets of TLS 1.3 come before the first data
    assert theirs.read() == b"x"
    with suppress(ssl.SSLWantReadError):  # the library forgets sessions of connections that end without a word
        ours.unwrap()
    return Shaken(theirs, ours)
