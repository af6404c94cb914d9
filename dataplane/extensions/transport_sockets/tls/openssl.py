"""What OpenSSL can do and the `ssl` module has no call for, asked of the very library that the interpreter has loaded.

Here: how to reach it, how that is made certain, and one method for each call.  Not here: who wants it (contexts, ticket_keys).
An `ssl.SSLContext` holds its SSL_CTX in the first field after the head that all objects have.  That is no promise of CPython's, so it is
tried once, before anything is trusted: in contexts that differ, what the library says must be what `ssl` says.  Where that fails nothing
is called, and what needs it is refused.  See docs/decisions/0007-openssl-beyond-the-ssl-module.md.
Spec: SSL_CTX_ctrl(3) and the manual pages of the macros that are made of it; their numbers are of include/openssl/ssl.h.
"""

from __future__ import annotations

import _ssl
import ctypes
import ssl
import sys
import weakref
from collections.abc import Callable
from ctypes import c_char_p, c_int, c_long, c_size_t, c_uint64, c_ulong, c_void_p
from functools import cache
from typing import Any, Final, Generic, TypeVar

from dataplane.base.errors import ConfigError, FieldPath

T = TypeVar("T")

_SET_SESSION_CACHE_MODE: Final = 44
_SET_TICKET_KEYS: Final = 59
_SET_GROUPS_LIST: Final = 92
_SET_SIGALGS_LIST: Final = 98
_POINTER: Final = ctypes.sizeof(c_void_p)
_LOOKED_AT: Final = 1024  # bytes of an SSL_CTX, which has more; the fields that are asked for are among them

# The result, then the arguments.
_FUNCTIONS: Final[dict[str, tuple[Any, ...]]] = {
    "ERR_clear_error": (None,),
    "OpenSSL_version_num": (c_ulong,),
    "SSL_CTX_ctrl": (c_long, c_void_p, c_int, c_long, c_void_p),
    "SSL_CTX_get_num_tickets": (c_size_t, c_void_p),
    "SSL_CTX_get_options": (c_uint64, c_void_p),
    "SSL_CTX_get_timeout": (c_long, c_void_p),
    "SSL_CTX_get_verify_mode": (c_int, c_void_p),
    "SSL_CTX_set_ciphersuites": (c_int, c_void_p, c_char_p),
    "SSL_CTX_set_timeout": (c_long, c_void_p, c_long),
    "SSL_CTX_set_verify_depth": (None, c_void_p, c_int),
}


class UnreachableError(Exception):
    """Why this interpreter's OpenSSL cannot be asked."""


class OpenSsl:
    """The library.  Contexts are asked again, every time, whether they are what we take them for."""

    def __init__(self) -> None:
        """Raises UnreachableError."""
        if sys.implementation.name != "cpython" or not ssl.OPENSSL_VERSION.startswith("OpenSSL 3."):
            raise UnreachableError(f"{sys.implementation.name} with {ssl.OPENSSL_VERSION}")
        path = getattr(_ssl, "__file__", None)
        if path is None:
            raise UnreachableError("OpenSSL is part of the interpreter")
        try:
            # A symbol is looked up in the module and in what it is linked to: in its own OpenSSL, whichever others are loaded.
            self.functions: Final = ctypes.CDLL(path)
            for name, (result, *arguments) in _FUNCTIONS.items():
                self.declare(name, result, *arguments)
        except OSError as error:
            raise UnreachableError(str(error)) from error
        if self.functions.OpenSSL_version_num() != ssl.OPENSSL_VERSION_NUMBER:
            raise UnreachableError("another OpenSSL answered")
        self._try_out()

    def declare(self, name: str, result: Any, *arguments: Any) -> Any:
        """The function *name*.  Raises UnreachableError where the library does not have it."""
        try:
            function = getattr(self.functions, name)
        except AttributeError as error:
            raise UnreachableError(str(error)) from error
        function.restype, function.argtypes = result, arguments
        return function

    def pointer(self, context: ssl.SSLContext) -> int:
        """The SSL_CTX of *context*.  Raises UnreachableError rather than giving back anything else."""
        found = c_void_p.from_address(id(context) + object.__basicsize__).value or 0
        check_readable(found)
        library = self.functions
        told = (
            library.SSL_CTX_get_options(found),
            library.SSL_CTX_get_num_tickets(found),
            library.SSL_CTX_get_verify_mode(found),
        )
        if told != (context.options & 0xFFFF_FFFF_FFFF_FFFF, context.num_tickets, _VERIFY_MODES[context.verify_mode]):
            raise UnreachableError("a context is not where it was expected")
        return found

    def set_ticket_keys(self, context: ssl.SSLContext, keys: bytes) -> None:
        """keys: 16 bytes of name, 32 for HMAC-SHA256, 32 for AES-256-CBC, for tickets of our own and those that come back."""
        self._control(context, _SET_TICKET_KEYS, len(keys), keys)

    def set_session_timeout(self, context: ssl.SSLContext, seconds: int) -> None:
        self.functions.SSL_CTX_set_timeout(self.pointer(context), seconds)

    def disable_session_cache(self, context: ssl.SSLContext) -> None:
        """Sessions are not kept; tickets are another matter."""
        self._control(context, _SET_SESSION_CACHE_MODE, 0, None)

    def set_verify_depth(self, context: ssl.SSLContext, depth: int) -> None:
        """depth: certificates between the leaf and the authority that is trusted."""
        self.functions.SSL_CTX_set_verify_depth(self.pointer(context), depth)

    def set_groups(self, context: ssl.SSLContext, names: str) -> bool:
        """names: separated by colons.  Returns whether the library knows them all."""
        return self._control(context, _SET_GROUPS_LIST, 0, names.encode()) == 1

    def set_signature_algorithms(self, context: ssl.SSLContext, names: str) -> bool:
        """As set_groups."""
        return self._control(context, _SET_SIGALGS_LIST, 0, names.encode()) == 1

    def set_ciphersuites(self, context: ssl.SSLContext, names: str) -> bool:
        """Those of TLS 1.3; as set_groups."""
        return int(self.functions.SSL_CTX_set_ciphersuites(self.pointer(context), names.encode())) == 1

    def _control(self, context: ssl.SSLContext, command: int, number: int, data: bytes | None) -> int:
        result = int(self.functions.SSL_CTX_ctrl(self.pointer(context), command, number, data))
        if result <= 0:
            self.functions.ERR_clear_error()  # or the next handshake would find the error and take it for its own
        return result

    def _try_out(self) -> None:
        """Whether contexts that differ are told apart, and what is set here is seen by `ssl` and the other way round."""
        if object.__basicsize__ + _POINTER > _ssl._SSLContext.__basicsize__:
            raise UnreachableError("contexts have no such field")
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        server.num_tickets = 7
        server.options |= ssl.OP_NO_TICKET
        client.options &= ~ssl.OP_NO_COMPRESSION
        library = self.functions
        pointers = [self.pointer(context) for context in (server, client)]
        if pointers[0] == pointers[1]:
            raise UnreachableError("two contexts are one")
        self.set_session_timeout(server, 4711)
        if [library.SSL_CTX_get_timeout(each) == 4711 for each in pointers] != [True, False]:
            raise UnreachableError("a context does not keep its timeout")


class ByContext(Generic[T]):
    """Something of each context, for callbacks, which are told of a connection (SSL).  It goes when its context does."""

    def __init__(self, library: OpenSsl) -> None:
        self._library = library
        self._context_of = library.declare("SSL_get_SSL_CTX", c_void_p, c_void_p)
        self._found: dict[int, T] = {}

    def put(self, context: ssl.SSLContext, value: T) -> int:
        """The SSL_CTX of *context*."""
        pointer = self._library.pointer(context)
        self._found[pointer] = value
        weakref.finalize(context, self._found.pop, pointer, None)
        return pointer

    def of(self, connection: Any) -> T | None:
        return self._found.get(self._context_of(connection))


_VERIFY_MODES: Final = {ssl.CERT_NONE: 0, ssl.CERT_OPTIONAL: 1, ssl.CERT_REQUIRED: 3}  # SSL_VERIFY_PEER, _FAIL_IF_NO_PEER_CERT


def check_readable(address: int) -> None:
    """Raises UnreachableError where a read would end the process: the kernel is asked to read instead."""
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(address)
            complete = address % _POINTER == 0 and len(memory.read(_LOOKED_AT)) == _LOOKED_AT
    except (OSError, OverflowError, ValueError) as error:
        raise UnreachableError(f"no context at {address:#x}: {error}") from error
    if not complete:
        raise UnreachableError(f"no context at {address:#x}")


@cache
def library() -> OpenSsl | UnreachableError:
    """Tried out once for the process."""
    try:
        return OpenSsl()
    except UnreachableError as error:
        return error


def made_with_library(make: Callable[[OpenSsl], T]) -> T | UnreachableError:
    """What *make*, which may raise UnreachableError, makes of the library."""
    found = library()
    if isinstance(found, UnreachableError):
        return found
    try:
        return make(found)
    except UnreachableError as error:
        return error


def library_for(at: FieldPath) -> OpenSsl:
    """The library, for the field *at*.  Raises ConfigError."""
    found = library()
    if isinstance(found, UnreachableError):
        raise unreachable(found, at)
    return found


def unreachable(error: UnreachableError, at: FieldPath) -> ConfigError:
    return ConfigError(at, f"is not possible with this Python, whose OpenSSL cannot be reached: {error}")
