"""JA3 and JA4: short names for what a TLS client offers, by which its library is known.

Here: pure functions of a ClientHello.  Values that are meant to be ignored (GREASE, RFC 8701) do not count among ciphers and extensions.
Spec: github.com/salesforce/ja3, FoxIO's JA4 for TLS over TCP.  Envoy: tls_inspector, ja4_fingerprint.cc; where a list is broken, as there.
"""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterable
from typing import Final

from dataplane.semantics.client_hello import ALPN, SERVER_NAME, ClientHello, numbers

_GROUPS: Final = 10
_POINT_FORMATS: Final = 11
_SIGNATURES: Final = 13
_SUPPORTED_VERSIONS: Final = 43
_VERSIONS: Final = {0x301: "10", 0x302: "11", 0x303: "12", 0x304: "13"}
_NO_VERSION: Final = "00"
_NO_HASH: Final = "000000000000"
_MOST_COUNTED: Final = 99
_PLAIN: Final = frozenset((string.ascii_letters + string.digits).encode())


def ja3(hello: ClientHello) -> str:
    fields = (
        [hello.version],
        _without_grease(hello.ciphers),
        _without_grease(kind for kind, _ in hello.extensions),
        numbers(hello.extension(_GROUPS)[2:]),
        hello.extension(_POINT_FORMATS)[1:],
    )
    text = ",".join("-".join(str(number) for number in field) for field in fields)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def ja4(hello: ClientHello) -> str:
    kinds = _without_grease(kind for kind, _ in hello.extensions)
    ciphers = _without_grease(hello.ciphers)
    name = "d" if SERVER_NAME in kinds else "i"
    counts = "".join(f"{min(len(found), _MOST_COUNTED):02}" for found in (ciphers, kinds))
    listed = _listed(sorted(kind for kind in kinds if kind not in (SERVER_NAME, ALPN)))
    signatures = _listed(numbers(hello.extension(_SIGNATURES)[2:]))
    offered = f"{listed}_{signatures}" if listed and signatures else listed
    return f"t{_version(hello)}{name}{counts}{_protocol(hello)}_{_hashed(_listed(sorted(ciphers)))}_{_hashed(offered)}"


def _without_grease(found: Iterable[int]) -> list[int]:
    return [number for number in found if number & 0x0F0F != 0x0A0A or number >> 8 != number & 0xFF]


def _listed(found: Iterable[int]) -> str:
    return ",".join(f"{number:04x}" for number in found)


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[: len(_NO_HASH)] if text else _NO_HASH


def _version(hello: ClientHello) -> str:
    """The highest that the client can, by its list or else by the field that came before there was one."""
    listed = hello.extension(_SUPPORTED_VERSIONS)
    if listed and listed[0] > len(listed) - 1:
        return _NO_VERSION
    highest = max(_without_grease(numbers(listed[1:])), default=hello.version)
    return _VERSIONS.get(highest, _NO_VERSION)


def _protocol(hello: ClientHello) -> str:
    """First and last character of the first protocol, or of its bytes in hexadecimal."""
    names = hello.extension(ALPN)[2:]
    first = names[1 : 1 + names[0]] if names else b""
    if not first:
        return "00"
    if first[0] in _PLAIN and first[-1] in _PLAIN:
        return chr(first[0]) + chr(first[-1])
    return first.hex()[0] + first.hex()[-1]
