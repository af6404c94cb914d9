"""Sessions: who takes up which, with keys that are configured, keys of the process, or none."""

from __future__ import annotations

import gc
import ssl
from typing import Any

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS
from dataplane.compile.validation_context import CertificateValidationContext, compile_validation
from dataplane.extensions.transport_sockets.tls import resumption
from dataplane.extensions.transport_sockets.tls.downstream import ServerContexts
from dataplane.extensions.transport_sockets.tls.live_contexts import Materials
from dataplane.extensions.transport_sockets.tls.openssl import OpenSsl, UnreachableError, library
from dataplane.extensions.transport_sockets.tls.ticket_keys import _several, use_ticket_keys
from dataplane.snapshot.secret import TlsCertificate, ValidationContext
from dataplane.snapshot.tls import CommonTls, DownstreamTls, TlsParameters
from tests.support.certificates import Authority
from tests.support.tls_handshake import shake_hands

AUTHORITY, OTHERS = Authority(), Authority("others")
AT = FieldPath("context")
OLD, NEW, UNKNOWN = (bytes([number]) * 80 for number in (1, 2, 3))
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def certificate(name: str = "a.test") -> TlsCertificate:
    pair = AUTHORITY.sign(name)
    return TlsCertificate(pair.certificate, pair.private_key, frozenset((name,)))


def validation(authority: Authority) -> ValidationContext:
    message = CertificateValidationContext()
    message.trusted_ca.inline_bytes = authority.certificate
    return compile_validation(message, AT)


def server(*keys: bytes, of: tuple[TlsCertificate, ...] = (), trusts: Authority | None = None, **config: Any) -> ssl.SSLContext:
    """A context as a process of its own would have it."""
    materials = Materials(of or (certificate(),), None if trusts is None else validation(trusts))
    parameters = TlsParameters("TLSv1_2", "TLSv1_3", DEFAULT_CIPHERS)
    contexts = ServerContexts(DownstreamTls(CommonTls(parameters), ticket_keys=keys, **config), materials, AT)
    contexts.default.held = contexts  # type: ignore[attr-defined]  # as whoever shakes hands does
    return contexts.default


def client(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("before", "after", "resumed"),
    [
        ((OLD,), (OLD,), True),
        ((OLD,), (OLD, NEW), True),
        ((OLD,), (NEW, OLD), True),
        ((OLD, NEW), (OLD,), True),
        ((NEW, OLD), (OLD, UNKNOWN), False),  # the first makes the tickets
        ((OLD,), (NEW,), False),
        ((OLD,), (NEW, UNKNOWN), False),
        ((), (), False),
        ((OLD,), (), False),
    ],
)
def test_the_first_key_makes_tickets_and_all_read_them(
    before: tuple[bytes, ...], after: tuple[bytes, ...], resumed: bool, version: ssl.TLSVersion
) -> None:
    ours = client(version)
    session = shake_hands(ours, server(*before)).session
    again = server(*after)
    second = shake_hands(ours, again, session)
    assert second.resumed is resumed
    assert shake_hands(ours, again, second.session).resumed  # and what comes now is of the new keys


def test_a_ticket_that_was_tampered_with_costs_a_full_handshake_only() -> None:
    ours = client()
    found = library()
    assert isinstance(found, OpenSsl)
    several, wrong = server(), server()
    use_ticket_keys(found, several, (OLD, NEW))
    use_ticket_keys(found, wrong, (OLD[:16] + b"\7" * 64, NEW))  # the name of a key, and another key
    session = shake_hands(ours, several).session
    assert not shake_hands(ours, wrong, session).resumed
    assert shake_hands(ours, several, session).resumed


def test_workers_make_the_same_keys_of_what_they_have_in_common() -> None:
    ours = client()
    session = shake_hands(ours, server(ticket_seed=b"seed")).session
    assert shake_hands(ours, server(ticket_seed=b"seed"), session).resumed
    assert not shake_hands(ours, server(ticket_seed=b"another"), session).resumed
    assert not shake_hands(ours, server(), session).resumed


def test_a_new_certificate_of_the_same_name_takes_sessions_up_and_one_of_another_name_does_not() -> None:
    ours = client()
    session = shake_hands(ours, server(OLD)).session
    assert shake_hands(ours, server(OLD, of=(certificate(),)), session).resumed
    assert not shake_hands(ours, server(OLD, of=(certificate(), certificate("b.test"))), session).resumed


@pytest.mark.parametrize("shared", [{}, {"ticket_seed": b"seed"}])
def test_who_was_not_asked_for_a_certificate_is_no_client_of_those_who_ask(shared: dict[str, bytes]) -> None:
    """A ticket says that its client is known; only those who would have come to the same verdict may believe it."""
    keys = () if shared else (OLD, NEW)
    ours = client()
    session = shake_hands(ours, server(*keys, **shared)).session
    for strict in (
        server(*keys, trusts=AUTHORITY, **shared),
        server(*keys, trusts=AUTHORITY, require_client_certificate=True, **shared),
    ):
        if strict.verify_mode is ssl.CERT_REQUIRED:
            with pytest.raises(ssl.SSLError):
                shake_hands(ours, strict, session)
        else:
            assert not shake_hands(ours, strict, session).resumed
    of_authority = shake_hands(ours, server(*keys, trusts=AUTHORITY, **shared)).session
    assert shake_hands(ours, server(*keys, trusts=AUTHORITY, **shared), of_authority).resumed
    assert not shake_hands(ours, server(*keys, trusts=OTHERS, **shared), of_authority).resumed


def test_sessions_of_one_name_are_taken_up_whichever_certificate_it_selects() -> None:
    ours = client()
    several = (certificate("a.test"), certificate("b.test"))
    session = shake_hands(ours, server(OLD, NEW, of=several), name="b.test").session
    assert shake_hands(ours, server(OLD, NEW, of=several), session, name="b.test").resumed


def test_contexts_that_are_gone_leave_no_keys_behind() -> None:
    ours = client()
    context = server(OLD, NEW)
    found = library()
    assert isinstance(found, OpenSsl)
    known = _several(found)._keys._found
    pointer = found.pointer(context)
    assert pointer in known
    shaken = shake_hands(ours, context)
    del context, shaken
    gc.collect()
    assert pointer not in known


@pytest.mark.parametrize(
    ("config", "tickets", "resumed"),
    [
        ({}, (True, True), (True, True)),
        ({"stateless_resumption": False}, (False, False), (True, False)),
        ({"stateful_resumption": False}, (True, True), (True, True)),
        ({"stateless_resumption": False, "stateful_resumption": False}, (False, False), (False, False)),
    ],
)
def test_what_is_turned_off(config: dict[str, bool], tickets: tuple[bool, ...], resumed: tuple[bool, ...]) -> None:
    """As Envoy does: without tickets TLS 1.3 knows no resumption."""
    context = server(**config)
    for version, with_ticket, is_resumed in zip(VERSIONS, tickets, resumed, strict=True):
        ours = client(version)
        session = shake_hands(ours, context).session
        assert (session is not None and session.has_ticket) is with_ticket
        assert shake_hands(ours, context, session).resumed is is_resumed


@pytest.mark.parametrize("version", VERSIONS)
def test_the_timeout_is_told_with_the_ticket(version: ssl.TLSVersion) -> None:
    session = shake_hands(client(version), server(OLD, session_timeout=300)).session
    assert session is not None
    assert session.ticket_lifetime_hint == 300


def test_without_the_library_each_worker_keeps_its_sessions_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumption, "library", lambda: UnreachableError("not here"))
    ours = client()
    context = server(ticket_seed=b"seed")
    session = shake_hands(ours, context).session
    assert shake_hands(ours, context, session).resumed
    assert not shake_hands(ours, server(ticket_seed=b"seed"), session).resumed
