"""Secrets as compiled: certificates with their keys, and what a peer's certificate is held against.

Here: frozen values; PEM as bytes.  Not here: how they were checked (compile.secret), SSL contexts (extensions.transport_sockets.tls).
Envoy: extensions.transport_sockets.tls.v3.{Secret, TlsCertificate, CertificateValidationContext, SdsSecretConfig}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from dataplane.snapshot.config_source import ConfigSource


@dataclass(frozen=True, slots=True)
class Staple:
    """An OCSP response, DER.  since, expires: calendar time."""

    response: bytes
    since: float
    expires: float


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """A certificate chain, leaf first, with the key of its leaf, not encrypted.

    names: lower-case DNS names that the leaf is for (its common name where it has no alternatives); key_type: `RSA` or `EC`.
    directories: where a move may have changed what it was read from.  must_staple: it asks to be shown with a staple.
    """

    chain: bytes
    private_key: bytes = field(repr=False)
    names: frozenset[str] = frozenset()
    key_type: str = "EC"
    path: str = "<inline>"
    key_path: str = "<inline>"
    directories: frozenset[str] = frozenset()
    staple: Staple | None = None
    must_staple: bool = False


class SanType(Enum):
    """Envoy: SubjectAltNameMatcher.SanType."""

    EMAIL = 1
    DNS = 2
    URI = 3
    IP_ADDRESS = 4
    OTHER_NAME = 5


@dataclass(frozen=True, slots=True)
class SanMatcher:
    """One accepted subject alternative name.  exact: the text of an exact matcher, which a wildcard DNS name may stand for."""

    san_type: SanType
    matches: Callable[[bytes], object]
    exact: str | None = None
    oid: str = ""


@dataclass(frozen=True, slots=True)
class ValidationContext:
    """What makes a peer's certificate a good one.  Nothing of it set: any certificate, and none.

    directories: as of TlsCertificate.  trust_domains: SPIFFE, name and authorities of each; they take the place of other authorities.
    trust_bundles_path: the file that they were read from and that is read again when it has changed; "" for none.
    max_verify_depth: certificates beside the leaf, the trusted one included.
    identity: a digest of all this, the same in every process; peers that were validated by it may resume their sessions with it.
    """

    trusted_ca: bytes = b""
    ca_path: str = "<inline>"
    system_roots: bool = False
    crl: bytes = b""
    certificate_hashes: frozenset[bytes] = frozenset()
    spki_hashes: frozenset[bytes] = frozenset()
    subject_alt_names: tuple[SanMatcher, ...] = ()
    allow_expired: bool = False
    accept_untrusted: bool = False
    only_verify_leaf_crl: bool = False
    directories: frozenset[str] = frozenset()
    trust_domains: tuple[tuple[str, bytes], ...] = ()
    trust_bundles_path: str = ""
    max_verify_depth: int | None = None
    identity: bytes = b""

    @property
    def has_authority(self) -> bool:
        return bool(self.trusted_ca) or self.system_roots or bool(self.trust_domains)

    @property
    def lets_in_untrusted(self) -> bool:
        """Whoever comes is let in, and it is counted what would have kept them out.  SPIFFE does not know of that, as in Envoy."""
        return self.accept_untrusted and not self.trust_domains

    @property
    def authorities(self) -> bytes:
        """PEM: of all trust domains, or else the trusted ones."""
        return b"\n".join(pem for _, pem in self.trust_domains) or self.trusted_ca

    def merged(self, other: ValidationContext) -> ValidationContext:
        """This one with what *other* sets on top: lists are joined, single values are those of *other*."""
        return ValidationContext(
            trusted_ca=other.trusted_ca or self.trusted_ca,
            ca_path=other.ca_path if other.trusted_ca or other.trust_domains else self.ca_path,
            system_roots=other.system_roots or self.system_roots,
            crl=other.crl or self.crl,
            certificate_hashes=self.certificate_hashes | other.certificate_hashes,
            spki_hashes=self.spki_hashes | other.spki_hashes,
            subject_alt_names=self.subject_alt_names + other.subject_alt_names,
            allow_expired=other.allow_expired or self.allow_expired,
            accept_untrusted=other.accept_untrusted or self.accept_untrusted,
            only_verify_leaf_crl=other.only_verify_leaf_crl or self.only_verify_leaf_crl,
            trust_domains=other.trust_domains or self.trust_domains,
            trust_bundles_path=other.trust_bundles_path if other.trust_domains else self.trust_bundles_path,
            max_verify_depth=self.max_verify_depth if other.max_verify_depth is None else other.max_verify_depth,
            identity=self.identity + other.identity,
        )


@dataclass(frozen=True, slots=True)
class GenericSecret:
    """Bytes whose meaning only their reader knows."""

    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SessionTicketKeys:
    """80 bytes each: 16 of name, 32 for HMAC-SHA256, 32 for AES-256.  The first makes tickets, all of them read some."""

    keys: tuple[bytes, ...] = field(repr=False)


SecretValue = TlsCertificate | ValidationContext | GenericSecret | SessionTicketKeys


def directories_of(value: SecretValue) -> frozenset[str]:
    """Where a move may have changed what *value* was read from."""
    return value.directories if isinstance(value, TlsCertificate | ValidationContext) else frozenset()


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A secret that comes by SDS; source None: one of the bootstrap's own."""

    name: str
    source: ConfigSource | None = None

    @property
    def key(self) -> str:
        """Under which a snapshot has it: what comes over SDS never hides a static secret."""
        return self.name if self.source is not None else static_key(self.name)


def static_key(name: str) -> str:
    """The key of the bootstrap's own secret *name*.  The separator is in no name that a server would give."""
    return f"static\0{name}"
