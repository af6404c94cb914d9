"""Keys of session tickets: one that the library uses by itself, or several, of which the first encrypts and all decrypt.

For several the library asks back, once for each ticket (two a full handshake, at most two a resumed one).  Whatever goes wrong there costs
a resumption, never a handshake.
Spec: SSL_CTX_set_tlsext_ticket_key_evp_cb(3), RFC 5077 section 4.  Envoy: ServerContextImpl::sessionTicketProcess.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import ssl
from collections.abc import Sequence
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint, c_void_p
from functools import cache
from typing import Any, Final

from dataplane.extensions.transport_sockets.tls.openssl import ByContext, OpenSsl

KEY_BYTES: Final = 80  # 16 of name, 32 for HMAC, 32 for AES: BoringSSL's order, and OpenSSL's

_NAME_BYTES: Final = 16
_IV_BYTES: Final = 16
_UTF8_STRING, _OCTET_STRING = 4, 5  # OSSL_PARAM_*
_NO_KEY, _GOOD, _GOOD_BUT_OLD = 0, 1, 2


def derived_key(seed: bytes, identity: bytes) -> bytes:
    """The same in every process that has *seed*, and another one, of another name, for every *identity* (of one length)."""
    return hashlib.shake_256(seed + identity).digest(KEY_BYTES)


def use_ticket_keys(library: OpenSsl, context: ssl.SSLContext, keys: Sequence[bytes]) -> None:
    """keys: at least one."""
    if len(keys) == 1:
        library.set_ticket_keys(context, keys[0])
    else:
        _several(library).use(context, keys)


class _Parameter(ctypes.Structure):
    """OSSL_PARAM."""

    _fields_ = (
        ("key", c_char_p),
        ("data_type", c_uint),
        ("data", c_char_p),
        ("data_size", c_size_t),
        ("return_size", c_size_t),
    )


class _Key:
    """One key, as the library's functions take it."""

    __slots__ = ("aes", "mac", "name")

    def __init__(self, key: bytes) -> None:
        self.name = key[:_NAME_BYTES]
        self.aes = key[48:]
        self.mac = (_Parameter * 3)(
            _Parameter(b"key", _OCTET_STRING, key[_NAME_BYTES:48], 32, 0),
            _Parameter(b"digest", _UTF8_STRING, b"SHA256", 6, 0),
            _Parameter(None, 0, None, 0, 0),
        )


_Callback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_int)


class _SeveralKeys:
    """Answers the library for all contexts.  It lives as long as the process: the library may ask at any time."""

    def __init__(self, library: OpenSsl) -> None:
        self._keys: ByContext[tuple[_Key, ...]] = ByContext(library)
        self._encrypt = library.declare("EVP_EncryptInit_ex", c_int, *(c_void_p, c_void_p, c_void_p, c_char_p, c_void_p))
        self._decrypt = library.declare("EVP_DecryptInit_ex", c_int, *(c_void_p, c_void_p, c_void_p, c_char_p, c_void_p))
        self._authenticate = library.declare("EVP_MAC_CTX_set_params", c_int, c_void_p, c_void_p)
        self._cipher = library.declare("EVP_aes_256_cbc", c_void_p)()
        self._register = library.declare("SSL_CTX_set_tlsext_ticket_key_evp_cb", c_long, c_void_p, _Callback)
        self._callback = _Callback(self._on_ticket)

    def use(self, context: ssl.SSLContext, keys: Sequence[bytes]) -> None:
        self._register(self._keys.put(context, tuple(_Key(each) for each in keys)), self._callback)

    def _on_ticket(self, connection: Any, name: Any, iv: Any, cipher: Any, mac: Any, is_new: int) -> int:
        """An exception here is printed, and counts as _NO_KEY."""
        keys = self._keys.of(connection)
        if not keys:
            return _NO_KEY
        if is_new:
            key = keys[0]
            ctypes.memmove(name, key.name, _NAME_BYTES)
            ctypes.memmove(iv, os.urandom(_IV_BYTES), _IV_BYTES)
            return self._begin(self._encrypt, key, iv, cipher, mac, _GOOD)
        wanted = ctypes.string_at(name, _NAME_BYTES)
        for key in keys:
            if key.name == wanted:
                return self._begin(self._decrypt, key, iv, cipher, mac, _GOOD if key is keys[0] else _GOOD_BUT_OLD)
        return _NO_KEY

    def _begin(self, direction: Any, key: _Key, iv: Any, cipher: Any, mac: Any, verdict: int) -> int:
        begun = direction(cipher, self._cipher, None, key.aes, iv) == 1 and self._authenticate(mac, key.mac) == 1
        return verdict if begun else _NO_KEY


@cache
def _several(library: OpenSsl) -> _SeveralKeys:
    return _SeveralKeys(library)
