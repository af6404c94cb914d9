"""BoringSSL's names of signature algorithms and groups → OpenSSL's.

Here: names.  Not here: whether our library was built with them (extensions.transport_sockets.tls.contexts).
Envoy: TlsParameters.signature_algorithms, TlsParameters.ecdh_curves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dataplane.base.errors import ConfigError, FieldPath

_HASHES: Final = (("SHA256", "sha256", "secp256r1"), ("SHA384", "sha384", "secp384r1"), ("SHA512", "sha512", "secp521r1"))

_ALGORITHMS: Final = {
    "ed25519": "ed25519",
    **dict.fromkeys(("rsa_pkcs1_sha1", "RSA+SHA1"), "rsa_pkcs1_sha1"),
    **dict.fromkeys(("ecdsa_sha1", "ECDSA+SHA1"), "ecdsa_sha1"),
    **{
        given: name
        for upper, lower, curve in _HASHES
        for name, short in (
            (f"rsa_pkcs1_{lower}", ("RSA",)),
            (f"rsa_pss_rsae_{lower}", ("PSS", "RSA-PSS")),
            (f"ecdsa_{curve}_{lower}", ("ECDSA",)),
        )
        for given in (name, *(f"{each}+{upper}" for each in short))
    },
}
_CURVES: Final = {
    "X25519": "X25519",
    "x25519": "X25519",
    "P-256": "prime256v1",
    "prime256v1": "prime256v1",
    "P-384": "secp384r1",
    "secp384r1": "secp384r1",
    "P-521": "secp521r1",
    "secp521r1": "secp521r1",
    "X25519MLKEM768": "X25519MLKEM768",
}
# What OpenSSL prefers by itself begins with these: asking for them only leaves out what no client needs.
_LIBRARY_CHOICE: Final = frozenset({("X25519", "prime256v1"), ("X25519", "prime256v1", "secp384r1")})


def signature_algorithms(names: Iterable[str], at: FieldPath) -> tuple[str, ...]:
    return _known(names, _ALGORITHMS, "TLS signature algorithms", at)


def curves(names: Iterable[str], at: FieldPath) -> tuple[str, ...]:
    """None where OpenSSL's own order says the same."""
    found = _known(names, _CURVES, "ECDH curves", at)
    return () if found in _LIBRARY_CHOICE else found


def _known(names: Iterable[str], table: dict[str, str], what: str, at: FieldPath) -> tuple[str, ...]:
    """As Envoy: names may also stand in one string, separated by colons; none may be there twice."""
    given = ":".join(names)
    found = [table.get(name, "") for name in given.split(":") if name]
    if not all(found) or len(set(found)) < len(found):
        raise ConfigError(at, f"Failed to initialize {what} {given}")
    return tuple(found)
