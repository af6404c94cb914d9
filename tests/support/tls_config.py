"""TLS as configurations spell it: certificates inline, transport sockets around them."""

from __future__ import annotations

from typing import Any

from tests.support import bootstraps
from tests.support.certificates import KeyPair

TLS = bootstraps.TYPE + "transport_sockets.tls.v3."


def pem(data: bytes) -> dict[str, str]:
    """A `DataSource`."""
    return {"inline_string": data.decode()}


def pair(keys: KeyPair) -> dict[str, Any]:
    """A `TlsCertificate`."""
    return {"certificate_chain": pem(keys.certificate), "private_key": pem(keys.private_key)}


def tls_socket(side: str, common: dict[str, Any], **more: Any) -> dict[str, Any]:
    """side: "Downstream" or "Upstream".  common: a `CommonTlsContext`."""
    context = {"@type": f"{TLS}{side}TlsContext", "common_tls_context": common, **more}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}
