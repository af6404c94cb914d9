"""TLS towards a management server by the rules of a cluster: no authority, no verification; an authority, the chain; names, one of them.

gRPC's own TLS always wants a name in the certificate, Envoy only where the configuration asks for one.
Not here: the connection (relay); google_grpc, which has gRPC's rules (grpc_channel).
Envoy: extensions.transport_sockets.tls.v3.UpstreamTlsContext, CertificateValidationContext.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from typing import cast

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.xds.source import Tls


def ssl_context(tls: Tls) -> ssl.SSLContext:
    """A client context with Envoy's idea of verification, names left to `require_name`.  Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        if tls.root_certificates is None:
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(cadata=tls.root_certificates.decode("ascii"))
        if tls.certificate_chain is not None:
            _load_key_pair(context, tls.certificate_chain + b"\n" + (tls.private_key or b""))
    except (OSError, ValueError) as error:
        raise ConfigError(
            FieldPath("transport_socket") / "common_tls_context", f"unusable certificate or key: {error}"
        ) from error
    return context


def require_name(connection: ssl.SSLObject, names: tuple[str, ...]) -> None:
    """Raise ssl.SSLError unless the peer's certificate has one of *names*, or none is asked for."""
    if not names:
        return
    certificate = cast(Mapping[str, Iterable[tuple[str, str]]], connection.getpeercert() or {})
    alternatives = {value for _, value in certificate.get("subjectAltName", ())}
    if alternatives.isdisjoint(names):
        raise ssl.SSLError(f"the certificate is for {sorted(alternatives)}, not for any of {list(names)}")


def _load_key_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """The library only reads files, so it gets one that exists in memory alone."""
    with os.fdopen(os.memfd_create("key-pair", os.MFD_CLOEXEC), "wb") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
