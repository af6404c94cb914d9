"""What is known of one TLS connection.  Implements observe.tls_facts.TlsFacts over the library's object, and reads it when asked."""

from __future__ import annotations

import ssl
import sys
from typing import Any

from dataplane.extensions.transport_sockets.tls.certificate import Certificate


class ConnectionFacts:
    """version, cipher: every connection is counted by them.  alpn: as the interface has it."""

    __slots__ = (
        "_peer_certificate",
        "_session_id",
        "_tls",
        "_unread",
        "alpn",
        "cipher",
        "local_certificate",
        "server_name",
        "version",
    )

    def __init__(self, tls: ssl.SSLObject, server_name: str, alpn: str, local: Certificate | None, asks: bool) -> None:
        """asks: the peer was asked for a certificate."""
        self._tls = tls
        self._session_id: str | None = None
        self._unread = asks
        self._peer_certificate: Certificate | None = None
        cipher = tls.cipher()
        self.alpn = alpn
        self.cipher = sys.intern(cipher[0]) if cipher else ""
        self.local_certificate = local
        self.server_name = server_name
        self.version = sys.intern(tls.version() or "")

    @property
    def session_id(self) -> str:
        """Looked at once: each look costs 6 kB for ever, see upstream.ClientContext.keep_session."""
        if self._session_id is None:
            session = self._tls.session
            self._session_id = session.id.hex() if session is not None else ""
        return self._session_id

    @property
    def peer_certificate(self) -> Certificate | None:
        if self._unread:
            self._unread = False
            der = self._tls.getpeercert(binary_form=True)
            self._peer_certificate = None if der is None else Certificate(der)
        return self._peer_certificate

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The library has it since Python 3.13; before, it is on the object underneath."""
        tls: Any = self._tls
        if hasattr(tls, "get_unverified_chain"):
            return tuple(tls.get_unverified_chain())
        chain = tls._sslobj.get_unverified_chain() or ()
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain)
