"""TLS as compiled, for both sides of the proxy.

Here: what was configured.  Not here: secrets themselves (secret), SSL contexts and connections (extensions.transport_sockets.tls).
Envoy: extensions.transport_sockets.tls.v3.{CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext, TlsParameters}.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from dataplane.snapshot.secret import SecretReference, TlsCertificate, ValidationContext


class StaplePolicy(Enum):
    """What becomes of a client who asks for an OCSP response that has expired.  Envoy: DownstreamTlsContext.OcspStaplePolicy.

    LENIENT: it gets none.  STRICT: its handshake fails.  MUST: the same, and every certificate has to have a response.
    """

    LENIENT = 0
    STRICT = 1
    MUST = 2


@dataclass(frozen=True, slots=True)
class TlsParameters:
    """Versions as in `ssl.TLSVersion` by name; ciphers: an OpenSSL cipher list.

    curves, signature_algorithms, ciphersuites (of TLS 1.3): OpenSSL's names in their order; none for the library's choice.
    """

    minimum: str
    maximum: str
    ciphers: str
    curves: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    ciphersuites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommonTls:
    """certificate_references, validation_reference: secrets that come by SDS; the latter is merged into `validation`."""

    parameters: TlsParameters
    certificates: tuple[TlsCertificate, ...] = ()
    certificate_references: tuple[SecretReference, ...] = ()
    validation: ValidationContext | None = None
    validation_reference: SecretReference | None = None
    alpn: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[SecretReference, ...]:
        """Every secret that has to be there before the first handshake."""
        last = () if self.validation_reference is None else (self.validation_reference,)
        return (*self.certificate_references, *last)


@dataclass(frozen=True, slots=True)
class DownstreamTls:
    """`DownstreamTlsContext`.

    ticket_keys: see snapshot.secret.SessionTicketKeys; none for those of the process; ticket_keys_reference: they come by SDS.
    ticket_seed: what the processes that serve one listener have in common, to make the same keys of; none in a process that is alone.
    session_timeout: whole seconds, 0 for the library's own.
    """

    common: CommonTls
    require_client_certificate: bool = False
    stateless_resumption: bool = True
    stateful_resumption: bool = True
    ticket_keys: tuple[bytes, ...] = field(default=(), repr=False)
    ticket_keys_reference: SecretReference | None = None
    ticket_seed: bytes = field(default=b"", repr=False)
    session_timeout: int = 0
    staple_policy: StaplePolicy = StaplePolicy.LENIENT
    prefer_client_ciphers: bool = False


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """`UpstreamTlsContext`.  max_session_keys: sessions kept for resumption, per host; 0: none."""

    common: CommonTls
    sni: str = ""
    auto_host_sni: bool = False
    auto_sni_san_validation: bool = False
    max_session_keys: int = 1
