"""A SPIFFE bundle map (JSON) → the authorities of each trust domain, as PEM.

    {"trust_domains": {"a.test": {"keys": [{"use": "x509-svid", "x5c": ["<DER in base64>", …], …}, …], …}, …}}

Texts are Envoy's.  Spec: SPIFFE Trust Domain and Bundle, section 4.  Envoy: spiffe_validator.cc, parseTrustBundles.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dataplane.base.errors import ConfigError, FieldPath

Authorities = tuple[tuple[str, bytes], ...]
"""Names of trust domains, each with the PEM of its authorities."""

_USE: Final = "x509-svid"


def authorities_of(text: bytes, at: FieldPath) -> Authorities:
    """Raises ConfigError.  Of a domain that is there twice the last counts, as for any JSON reader."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(at, "Invalid JSON found in SPIFFE bundle") from error
    domains = content.get("trust_domains") if isinstance(content, dict) else None
    if not isinstance(domains, dict) or not domains:
        raise ConfigError(at, "No trust domains found in SPIFFE bundle")
    return tuple((name, _authorities(name, domain, at)) for name, domain in domains.items())


def _authorities(name: str, domain: Any, at: FieldPath) -> bytes:
    keys = domain.get("keys") if isinstance(domain, dict) else None
    if not isinstance(keys, list) or not keys:
        raise ConfigError(at, f"No keys found in SPIFFE bundle for domain '{name}'")
    return b"".join(_certificate(text, name, at) for key in keys for text in _certificates(key, name, at))


def _certificates(key: Any, name: str, at: FieldPath) -> list[Any]:
    """Texts of one key.  As in Envoy, a key for anything but certificates spoils the whole."""
    if not isinstance(key, dict) or key.get("use") != _USE:
        raise ConfigError(at, f"missing or invalid 'use' field found in cert for domain '{name}'")
    texts = key.get("x5c")
    if not isinstance(texts, list) or not texts:
        raise ConfigError(at, f"missing or empty 'x5c' field found in keys for domain: '{name}'")
    return texts


def _certificate(text: Any, name: str, at: FieldPath) -> bytes:
    try:
        der = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ConfigError(at, f"Failed to create x509 object while loading certs in domain '{name}'") from error
    try:
        return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    except ValueError as error:
        raise ConfigError(at, f"Invalid x509 object in certs for domain '{name}'") from error
