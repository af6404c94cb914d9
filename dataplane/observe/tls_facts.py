"""What is known of the TLS of one connection: for logs, headers and filters.

Here: the interface and its names.  Not here: where the facts come from (extensions.transport_sockets.tls).
Envoy: Ssl::ConnectionInfo; `%DOWNSTREAM_TLS_VERSION%` and its relatives.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class CertificateFacts(Protocol):
    """One certificate.  Texts are as Envoy prints them; empty where the certificate does not say."""

    @property
    def pem(self) -> bytes: ...

    @property
    def subject(self) -> str:
        """RFC 2253, as `CN=a,O=b`."""

    @property
    def issuer(self) -> str: ...

    @property
    def serial(self) -> str:
        """Lower-case hexadecimal."""

    @property
    def fingerprint_256(self) -> str:
        """SHA-256 in lower-case hexadecimal."""

    @property
    def fingerprint_1(self) -> str: ...

    @property
    def not_before(self) -> datetime: ...

    @property
    def not_after(self) -> datetime: ...

    @property
    def dns_names(self) -> tuple[str, ...]: ...

    @property
    def uris(self) -> tuple[str, ...]: ...

    @property
    def ip_addresses(self) -> tuple[str, ...]: ...

    @property
    def emails(self) -> tuple[str, ...]: ...


class TlsFacts(Protocol):
    """One connection, after its handshake."""

    @property
    def version(self) -> str:
        """`TLSv1.2`, `TLSv1.3`."""

    @property
    def cipher(self) -> str: ...

    @property
    def session_id(self) -> str: ...

    @property
    def server_name(self) -> str: ...

    @property
    def alpn(self) -> str:
        """The protocol that was agreed on; "" for none."""

    @property
    def peer_certificate(self) -> CertificateFacts | None: ...

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """DER, as the peer sent it, its own certificate first."""

    @property
    def local_certificate(self) -> CertificateFacts | None: ...
