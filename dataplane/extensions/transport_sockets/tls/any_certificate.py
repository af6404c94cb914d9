"""A client's certificate that is asked for without an authority to vouch for it: the pins decide, once the handshake is done.

The library would verify a chain that leads nowhere; it is told to leave that, and still makes sure that the client has the certificate's key.
Spec: SSL_CTX_set_cert_verify_callback(3).
"""

from __future__ import annotations

import ctypes
import ssl
from ctypes import c_int, c_void_p
from functools import cache
from typing import Any

from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl

_Callback = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p)


def _leave_it(chain: Any, argument: Any) -> int:
    return 1


_CALLBACK = _Callback(_leave_it)  # the library may ask at any time


def accept_any_certificate(library: OpenSsl, context: ssl.SSLContext) -> None:
    """Whoever calls this has to look at the certificate of every connection."""
    _register(library)(library.pointer(context), _CALLBACK, None)


@cache
def _register(library: OpenSsl) -> Any:
    return library.declare("SSL_CTX_set_cert_verify_callback", None, c_void_p, _Callback, c_void_p)
