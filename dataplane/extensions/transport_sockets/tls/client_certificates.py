"""Certificates of peers beyond what the `ssl` module can ask for.

Here: the authorities whose names a client is told; certificates that are left to pins, or let in whatever is found of them.
Not here: which of it a configuration wants (contexts), what is looked at after the handshake (verify).
Spec: SSL_CTX_set_client_CA_list(3), SSL_CTX_set_cert_verify_callback(3), SSL_get_verify_result(3).
"""

from __future__ import annotations

import ctypes
import ssl
from ctypes import c_char_p, c_int, c_long, c_void_p
from functools import cache
from typing import Any, Final

from dataplane.extensions.transport_sockets.tls.negotiated import negotiated, pointer_of
from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, UnreachableError, library, made_with_library
from dataplane.extensions.transport_sockets.tls.verdict import Verdict

_Callback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)
_GOOD: Final = 0  # X509_V_OK


def name_authorities(context: ssl.SSLContext, path: str) -> None:
    """Tell clients of the authorities in the PEM file *path*, in their order, each once.  Nothing is told where OpenSSL is out of reach."""
    found = library()
    if isinstance(found, UnreachableError):
        return
    load = found.declare("SSL_load_client_CA_file", c_void_p, c_char_p)
    take = found.declare("SSL_CTX_set_client_CA_list", None, c_void_p, c_void_p)
    pointer = found.pointer(context)
    take(pointer, load(path.encode()))  # the names are the context's from here on
    found.functions.ERR_clear_error()  # it read to the end of the file


def _leave_it(chain: Any, argument: Any) -> int:
    return 1


_LEAVE_IT = _Callback(_leave_it)  # the library may ask at any time


def accept_any_certificate(library: OpenSsl, context: ssl.SSLContext) -> None:
    """The library would verify a chain that leads nowhere.  Whoever calls this has to look at the certificate of every connection."""
    _register(library)(library.pointer(context), _LEAVE_IT, None)


class Untrusted:
    """Chains are verified, and what is found of them is known, but keeps nobody out."""

    def __init__(self, found: OpenSsl) -> None:
        """Raises UnreachableError."""
        if isinstance(connections := negotiated(), UnreachableError):
            raise connections
        self._library = found
        self._verify = found.declare("X509_verify_cert", c_int, c_void_p)
        self._result = found.declare("SSL_get_verify_result", c_long, c_void_p)
        self._callback = _Callback(self._on_chain)

    def let_in(self, context: ssl.SSLContext) -> None:
        _register(self._library)(self._library.pointer(context), self._callback, None)

    def is_good(self, connection: ssl.SSLObject) -> bool:
        """What was found of the chain.  No chain is good, too."""
        return int(self._result(pointer_of(connection))) == _GOOD

    def _on_chain(self, chain: Any, argument: Any) -> int:
        """The library keeps the result that the chain ends with."""
        self._verify(chain)
        self._library.functions.ERR_clear_error()
        return 1


@cache
def untrusted() -> Untrusted | UnreachableError:
    """It lives as long as the process: the library may ask at any time."""
    return made_with_library(Untrusted)


def lenient_verdict(connection: ssl.SSLObject, has_authority: bool) -> Verdict | None:
    """Of a peer that is let in whatever is found; None: names and pins are next.  A session was looked at when it began."""
    if connection.session_reused:
        return Verdict.GOOD
    asked = untrusted() if has_authority else None
    return Verdict.UNTRUSTED if isinstance(asked, Untrusted) and not asked.is_good(connection) else None


@cache
def _register(library: OpenSsl) -> Any:
    return library.declare("SSL_CTX_set_cert_verify_callback", None, c_void_p, _Callback, c_void_p)
