"""What is known of one TLS connection.  Implements observe.tls_facts.TlsFacts over the library's object, and reads it when asked."""

from __future__ import annotations

import ssl
from functools import cached_property
from typing import Any

from dataplane.extensions.transport_sockets.tls.certificate import Certificate


class ConnectionFacts:
    """peer_validated: the certificate was checked against something."""

    def __init__(self, tls: ssl.SSLObject, server_name: str, local: Certificate | None, validates: bool) -> None:
        self._tls = tls
        self.server_name = server_name
        self.local_certificate = local
        self._validates = validates

    @cached_property
    def version(self) -> str:
        return self._tls.version() or ""

    @cached_property
    def cipher(self) -> str:
        cipher = self._tls.cipher()
        return cipher[0] if cipher else ""

    @property
    def alpn(self) -> str:
        return self._tls.selected_alpn_protocol() or ""

    @cached_property  # each look at the session costs 6 kB for ever, see upstream.ClientContext.keep_session
    def session_id(self) -> str:
        session = self._tls.session
        return session.id.hex() if session is not None else ""

    @cached_property
    def peer_certificate(self) -> Certificate | None:
        der = self._tls.getpeercert(binary_form=True)
        return None if der is None else Certificate(der)

    @cached_property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The library has it since Python 3.13; before, it is on the object underneath."""
        tls: Any = self._tls
        if hasattr(tls, "get_unverified_chain"):
            return tuple(tls.get_unverified_chain())
        chain = tls._sslobj.get_unverified_chain() or ()
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain)

    @property
    def peer_validated(self) -> bool:
        return self._validates and self.peer_certificate is not None
