"""x-forwarded-client-cert: what an upstream is told of the certificate that a client gave us.

Here: the text of one element, made once per connection.  Not here: when it is set, appended, or removed (request_headers).
Envoy: ConnectionManagerUtility::mutateXfccRequestHeader; configuration/http/http_conn_man/headers, "x-forwarded-client-cert".
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

from dataplane.http.config import ClientCertDetail

if TYPE_CHECKING:
    from collections.abc import Collection

    from dataplane.observe.tls_facts import CertificateFacts, TlsFacts


def element(tls: TlsFacts, peer: CertificateFacts, details: Collection[ClientCertDetail]) -> bytes:
    """Our URIs, the hash of the peer's certificate, and the *details* in Envoy's order."""
    local = tls.local_certificate
    parts = [f"By={uri}" for uri in (local.uris if local is not None else ())]
    parts.append(f"Hash={peer.fingerprint_256}")
    if ClientCertDetail.CERT in details:
        parts.append(f'Cert="{_quoted(peer.pem)}"')
    if ClientCertDetail.CHAIN in details:
        parts.append(f'Chain="{_quoted(b"".join(_pem(der) for der in tls.peer_chain))}"')
    if ClientCertDetail.SUBJECT in details:
        parts.append(f'Subject="{peer.subject}"')
    if ClientCertDetail.URI in details:
        parts += [f"URI={uri}" for uri in peer.uris] or ["URI="]
    if ClientCertDetail.DNS in details:
        parts += [f"DNS={name}" for name in peer.dns_names]
    return ";".join(parts).encode()


def _quoted(pem: bytes) -> str:
    return quote(pem.decode("ascii"), safe="")


def _pem(der: bytes) -> bytes:
    text = base64.b64encode(der)
    lines = b"".join(text[start : start + 64] + b"\n" for start in range(0, len(text), 64))
    return b"-----BEGIN CERTIFICATE-----\n" + lines + b"-----END CERTIFICATE-----\n"
