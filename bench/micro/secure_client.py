"""A client of TLS that has no socket: it turns bytes of the proxy into bytes for the proxy."""

from __future__ import annotations

import contextlib
import ssl


def trusting_context(protocol: str) -> ssl.SSLContext:
    """For clients that take any certificate.  protocol: what ALPN asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


class SecureClient:
    """One connection's end."""

    def __init__(self, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="bench.test", session=session)

    def shake_hands(self, received: bytes) -> bytes:
        """What is to be sent after *received*; b"" when there is nothing more to say."""
        self._incoming.write(received)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        self._incoming.write(received)
        pieces = []
        try:
            while piece := self.tls.read(65536):
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        return b"".join(pieces)
