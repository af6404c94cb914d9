"""What two sides agreed on and the `ssl` module does not tell: the group of their keys, and how the peer signed.

Here: asking the library of one connection, by BoringSSL's names.  Not here: how the library is reached (openssl), counting (stats).
As with contexts, where the module keeps its SSL is no promise of CPython's: it is tried once, with connections that differ.
Spec: SSL_get_negotiated_group(3), SSL_get_peer_signature_nid(3), SSL_get_peer_signature_type_nid(3); numbers of include/openssl/obj_mac.h.
"""

from __future__ import annotations

import ctypes
import ssl
from ctypes import c_int, c_long, c_void_p
from functools import cache
from typing import Any, Final

from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, UnreachableError, check_readable, made_with_library

_GET_GROUP: Final = 134  # SSL_CTRL_GET_NEGOTIATED_GROUP
_GET_PEER_HASH: Final = 108  # SSL_CTRL_GET_PEER_SIGNATURE_NID
_POINTER: Final = ctypes.sizeof(c_void_p)
_UNNAMED: Final = 0x1000000  # TLSEXT_nid_unknown: the rest is the number of the group on the wire

_GROUPS: Final = {
    415: "P-256",
    715: "P-384",
    716: "P-521",
    1034: "X25519",
    _UNNAMED | 0x11EC: "X25519MLKEM768",
}
_PKCS1, _PSS, _ECDSA, _ED25519 = 6, 912, 408, 1087
_SHA1, _SHA256, _SHA384, _SHA512 = 64, 672, 673, 674
_SIGNATURES: Final = {
    (_PKCS1, _SHA1): "rsa_pkcs1_sha1",
    (_PKCS1, _SHA256): "rsa_pkcs1_sha256",
    (_PKCS1, _SHA384): "rsa_pkcs1_sha384",
    (_PKCS1, _SHA512): "rsa_pkcs1_sha512",
    (_PSS, _SHA256): "rsa_pss_rsae_sha256",
    (_PSS, _SHA384): "rsa_pss_rsae_sha384",
    (_PSS, _SHA512): "rsa_pss_rsae_sha512",
    (_ECDSA, _SHA1): "ecdsa_sha1",
    (_ECDSA, _SHA256): "ecdsa_secp256r1_sha256",
    (_ECDSA, _SHA384): "ecdsa_secp384r1_sha384",
    (_ECDSA, _SHA512): "ecdsa_secp521r1_sha512",
    (_ED25519, 0): "ed25519",
}


class Negotiated:
    """Of connections whose handshake is done."""

    def __init__(self, found: OpenSsl) -> None:
        """Raises UnreachableError."""
        self._control: Final[Any] = found.declare("SSL_ctrl", c_long, c_void_p, c_int, c_long, c_void_p)
        self._type: Final[Any] = found.declare("SSL_get_peer_signature_type_nid", c_int, c_void_p, c_void_p)
        context_of = found.declare("SSL_get_SSL_CTX", c_void_p, c_void_p)
        for _ in range(2):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tried = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
            pointer = pointer_of(tried)
            check_readable(pointer)
            if context_of(pointer) != found.pointer(context):
                raise UnreachableError("a connection is not where it was expected")

    def of(self, connection: ssl.SSLObject) -> tuple[str, str]:
        """With which group keys were agreed on, and how the peer proved that its certificate is its own.

        "" for what has no name, and for a peer that proved nothing in this handshake.  (4 µs.)
        """
        pointer = pointer_of(connection)
        return _GROUPS.get(self._control(pointer, _GET_GROUP, 0, None), ""), self._peer_signature(pointer)

    def _peer_signature(self, pointer: int) -> str:
        hashed, kind = c_int(0), c_int(0)
        if not self._type(pointer, ctypes.byref(kind)):
            return ""
        self._control(pointer, _GET_PEER_HASH, 0, ctypes.byref(hashed))
        return _SIGNATURES.get((kind.value, hashed.value), "")


def pointer_of(connection: ssl.SSLObject) -> int:
    """The SSL of *connection*: the second field behind the head that all objects have, after a reference to the socket."""
    return c_void_p.from_address(id(connection._sslobj) + object.__basicsize__ + _POINTER).value or 0  # type: ignore[attr-defined]


@cache
def negotiated() -> Negotiated | UnreachableError:
    """Tried out once for the process."""
    return made_with_library(Negotiated)
