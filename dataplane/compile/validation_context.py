"""CertificateValidationContext → snapshot.secret.ValidationContext.

Here: what can be said of it alone, and the rules of the whole once secrets were merged into it (`check_validation`).
Envoy: extensions.transport_sockets.tls.v3.{CertificateValidationContext, SubjectAltNameMatcher}.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from cryptography import x509
from envoy.extensions.transport_sockets.tls.v3.common_pb2 import CertificateValidationContext, SubjectAltNameMatcher

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.data_source import directories, read_data_source
from dataplane.compile.fields import find_extension
from dataplane.compile.matcher import compile_string_matcher
from dataplane.compile.spiffe import TrustBundles
from dataplane.compile.support import supports
from dataplane.snapshot.secret import SanMatcher, SanType, ValidationContext

supports(
    CertificateValidationContext,
    "trusted_ca",
    "system_root_certs",
    "verify_certificate_spki",
    "verify_certificate_hash",
    "match_typed_subject_alt_names",
    "match_subject_alt_names",
    "crl",
    "allow_expired_certificate",
    "only_verify_leaf_cert_crl",
    "trust_chain_verification",
    "watched_directory",
    "custom_validator_config",
    "max_verify_depth",
)
supports(CertificateValidationContext.SystemRootCerts)
supports(SubjectAltNameMatcher, "san_type", "matcher", "oid")

VALIDATOR_KIND: Final = "envoy.tls.cert_validator"
_HASH_BYTES: Final = 32
_OID: Final = re.compile(r"[0-2](\.\d+)+")
# A name without a type may be in any of these.
_UNTYPED: Final = (SanType.DNS, SanType.URI, SanType.EMAIL, SanType.IP_ADDRESS)


def compile_validation(message: CertificateValidationContext, at: FieldPath) -> ValidationContext:
    ca_path = message.trusted_ca.filename or "<inline>"
    trusted_ca = read_data_source(message.trusted_ca, at / "trusted_ca")
    bundles = _trust_bundles(message, at / "custom_validator_config")
    crl = _crl(message, at / "crl")
    if trusted_ca:
        _check_certificates(trusted_ca, f"Failed to load trusted CA certificates from {ca_path}", at / "trusted_ca")
    return ValidationContext(
        trusted_ca=trusted_ca,
        ca_path=ca_path if bundles is None else bundles.shown_path,
        system_roots=message.HasField("system_root_certs") and not trusted_ca,
        crl=crl,
        certificate_hashes=_hashes(message.verify_certificate_hash, at / "verify_certificate_hash"),
        spki_hashes=_pins(message.verify_certificate_spki, at / "verify_certificate_spki"),
        subject_alt_names=_subject_alt_names(message, at),
        allow_expired=message.allow_expired_certificate,
        accept_untrusted=message.trust_chain_verification == CertificateValidationContext.ACCEPT_UNTRUSTED,
        only_verify_leaf_crl=message.only_verify_leaf_cert_crl,
        trust_domains=() if bundles is None else bundles.domains,
        trust_bundles_path="" if bundles is None else bundles.followed,
        directories=directories(message.watched_directory, message.trusted_ca, message.crl),
        max_verify_depth=message.max_verify_depth.value if message.HasField("max_verify_depth") else None,
        identity=_identity(message, trusted_ca, crl),
    )


def _identity(message: CertificateValidationContext, *files: bytes) -> bytes:
    digest = hashlib.sha256(message.SerializeToString(deterministic=True))
    for content in files:
        digest.update(hashlib.sha256(content).digest())
    return digest.digest()


def _trust_bundles(message: CertificateValidationContext, at: FieldPath) -> TrustBundles | None:
    if not message.HasField("custom_validator_config"):
        return None
    validator = message.custom_validator_config
    compile_config, config = find_extension(VALIDATOR_KIND, validator.typed_config, validator.name, at / "typed_config")
    found: TrustBundles = compile_config(config, at / "typed_config")
    return found


def check_validation(validation: ValidationContext, at: FieldPath) -> None:
    """What needs an authority has one."""
    if validation.has_authority:
        return
    if validation.crl:
        raise ConfigError(at / "crl", "Failed to load CRL from <inline> without trusted CA")
    if validation.subject_alt_names:
        reason = "SAN-based verification of peer certificates without trusted CA is insecure and not allowed"
        raise ConfigError(at / "match_typed_subject_alt_names", reason)
    if validation.allow_expired:
        reason = "Certificate validity period is always ignored without trusted CA"
        raise ConfigError(at / "allow_expired_certificate", reason)


def _check_certificates(pem: bytes, reason: str, at: FieldPath) -> None:
    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(at, reason) from error


def _crl(message: CertificateValidationContext, at: FieldPath) -> bytes:
    """Envoy takes a list that it cannot read for an empty one, and then trusts nobody; we say what is wrong."""
    pem = read_data_source(message.crl, at)
    if pem and b"-----BEGIN X509 CRL-----" in pem:
        try:
            x509.load_pem_x509_crl(pem)
        except ValueError as error:
            raise ConfigError(at, f"Failed to load CRL from {message.crl.filename or '<inline>'}") from error
    return pem


def _hashes(texts: Iterable[str], at: FieldPath) -> frozenset[bytes]:
    """SHA-256 of the certificate in hexadecimal, with or without colons."""
    found = set()
    for index, text in enumerate(texts):
        try:
            digest = bytes.fromhex(text.replace(":", ""))
        except ValueError:
            digest = b""
        if len(digest) != _HASH_BYTES:
            raise ConfigError(at / index, f"Invalid hex-encoded SHA-256 {text}")
        found.add(digest)
    return frozenset(found)


def _pins(texts: Iterable[str], at: FieldPath) -> frozenset[bytes]:
    """SHA-256 of the public key's SPKI in base64."""
    found = set()
    for index, text in enumerate(texts):
        try:
            digest = base64.b64decode(text, validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) != _HASH_BYTES:
            raise ConfigError(at / index, f"Invalid base64-encoded SHA-256 {text}")
        found.add(digest)
    return frozenset(found)


def _subject_alt_names(message: CertificateValidationContext, at: FieldPath) -> tuple[SanMatcher, ...]:
    typed = [
        _typed(each, at / "match_typed_subject_alt_names" / index)
        for index, each in enumerate(message.match_typed_subject_alt_names)
    ]
    if typed:
        return tuple(typed)
    untyped = []
    for index, matcher in enumerate(message.match_subject_alt_names):
        matches = compile_string_matcher(matcher, at / "match_subject_alt_names" / index)
        exact = matcher.exact if matcher.WhichOneof("match_pattern") == "exact" and not matcher.ignore_case else None
        untyped += [SanMatcher(san_type, matches, exact) for san_type in _UNTYPED]
    return tuple(untyped)


def _typed(message: SubjectAltNameMatcher, at: FieldPath) -> SanMatcher:
    san_type = SanType(message.san_type)
    if san_type is SanType.OTHER_NAME and not _OID.fullmatch(message.oid):
        raise ConfigError(at / "oid", f"Failed to create SAN matcher for OTHER_NAME with OID: {message.oid}")
    matches = compile_string_matcher(message.matcher, at / "matcher")
    exact = message.matcher.exact if message.matcher.WhichOneof("match_pattern") == "exact" else None
    return SanMatcher(san_type, matches, exact, message.oid)
