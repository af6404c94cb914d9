"""The library underneath: reached where it is what we take it for, and not touched anywhere else."""

from __future__ import annotations

import _ssl
import ctypes
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.extensions.transport_sockets.tls import openssl
from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, UnreachableError, library_for


@pytest.fixture
def fresh() -> Iterator[None]:
    """The library is tried out anew, and again by whoever comes next."""
    openssl.library.cache_clear()
    yield
    openssl.library.cache_clear()


def test_what_is_set_is_seen() -> None:
    library = OpenSsl()
    one, other = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    library.set_session_timeout(one, 77)
    library.set_verify_depth(one, 3)
    asked = library.functions.SSL_CTX_get_timeout, library.functions.SSL_CTX_get_verify_depth
    asked[1].argtypes = asked[0].argtypes
    assert [get(library.pointer(one)) for get in asked] == [77, 3]
    assert [get(library.pointer(other)) for get in asked] != [77, 3]


def test_names_that_the_library_does_not_know() -> None:
    library = OpenSsl()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    assert library.set_groups(context, "secp384r1:X25519")
    assert not library.set_groups(context, "secp384r1:X25520")
    assert library.set_signature_algorithms(context, "ecdsa_secp256r1_sha256")
    assert not library.set_signature_algorithms(context, "ecdsa_secp257r1_sha256")
    context.set_ciphers("ECDHE")  # no error was left behind for whoever comes next


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("target", "name", "value", "reason"),
    [
        (ssl, "OPENSSL_VERSION", "LibreSSL 3.9.0", "cpython with LibreSSL 3.9.0"),
        (ssl, "OPENSSL_VERSION", "OpenSSL 1.1.1w  11 Sep 2023", "cpython with OpenSSL 1.1.1w  11 Sep 2023"),
        (ssl, "OPENSSL_VERSION_NUMBER", 0x30000001, "another OpenSSL answered"),
        (_ssl, "__file__", None, "OpenSSL is part of the interpreter"),
        (_ssl, "__file__", "/nowhere.so", "/nowhere.so: cannot open shared object file: No such file or directory"),
        (openssl, "_FUNCTIONS", {"SSL_CTX_of_the_future": (None,)}, "undefined symbol: SSL_CTX_of_the_future"),
        (openssl, "_VERIFY_MODES", dict.fromkeys(ssl.VerifyMode, 99), "a context is not where it was expected"),
    ],
)
def test_another_library_is_refused_with_the_field(
    target: Any, name: str, value: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target, name, value)
    with pytest.raises(ConfigError) as caught:
        library_for(FieldPath("context") / "session_timeout")
    text = str(caught.value)
    assert text.startswith("context.session_timeout: is not possible with this Python, whose OpenSSL cannot be reached: ")
    assert text.endswith(reason)


@pytest.mark.parametrize("address", [0, 1, 8, 0x7FFF_FFFF_FFFF_FFF8, 0xFFFF_FFFF_FFFF_FFF8])
def test_an_address_that_is_none_is_not_followed(address: int, monkeypatch: pytest.MonkeyPatch) -> None:
    library = OpenSsl()
    monkeypatch.setattr(openssl, "c_void_p", pretending(address))
    with pytest.raises(UnreachableError, match="no context at"):
        library.pointer(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def test_memory_that_is_something_else_is_not_taken_for_a_context(monkeypatch: pytest.MonkeyPatch) -> None:
    library = OpenSsl()
    something = ctypes.create_string_buffer(8192)
    monkeypatch.setattr(openssl, "c_void_p", pretending(ctypes.addressof(something) & ~0xF))
    with pytest.raises(UnreachableError, match="a context is not where it was expected"):
        library.pointer(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))


def pretending(address: int) -> type:
    """Stands for c_void_p: whatever is read, it is *address*."""

    class Read:
        value = address

        @staticmethod
        def from_address(place: int) -> type[Read]:
            return Read

    return Read
