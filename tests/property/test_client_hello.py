"""Whatever comes and however it is split, a ClientHello is read the same way, and nothing is raised."""

from __future__ import annotations

import ssl

from hypothesis import given
from hypothesis import strategies as st

from dataplane.semantics.client_hello import ClientHello, NoHello, parse_client_hello
from dataplane.semantics.tls_fingerprints import ja3, ja4
from dataplane.semantics.tls_records import NotTls
from tests.support.fuzzing import fuzzed

MOST = 16384
LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
NAMES = st.lists(LABELS, min_size=2, max_size=4).map(".".join).filter(lambda name: not name.rpartition(".")[2].isdigit())
PROTOCOLS = st.lists(st.sampled_from(["h2", "http/1.1", "istio", "x"]), unique=True, max_size=4)


def hello(name: str, protocols: list[str]) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a client that is done without a server")


def asked(data: bytes) -> tuple[str, tuple[str, ...]]:
    found = parse_client_hello(data, MOST)
    assert isinstance(found, ClientHello)
    return found.server_name, found.protocols


def in_records(data: bytes, size: int) -> bytes:
    """The one record of *data* as records of *size* bytes."""
    body = data[5:]
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(data[:3] + len(piece).to_bytes(2) + piece for piece in pieces)


@given(NAMES, PROTOCOLS, st.integers(min_value=1, max_value=600))
@fuzzed(100)
def test_name_and_protocols_are_found_in_any_division_into_records(name: str, protocols: list[str], size: int) -> None:
    data = in_records(hello(name, protocols), size)
    assert asked(data) == (name, tuple(protocols))


@given(NAMES, PROTOCOLS, st.integers(min_value=1, max_value=600), st.floats(min_value=0, max_value=1, exclude_max=True))
@fuzzed(100)
def test_every_true_beginning_asks_for_more(name: str, protocols: list[str], size: int, part: float) -> None:
    data = in_records(hello(name, protocols), size)
    assert parse_client_hello(data[: int(len(data) * part)], MOST) is NoHello.INCOMPLETE


@given(NAMES, st.binary(max_size=100))
@fuzzed(100)
def test_what_follows_changes_nothing(name: str, rest: bytes) -> None:
    assert asked(hello(name, []) + rest) == (name, ())


@given(st.binary(max_size=600))
@fuzzed(100)
def test_anything_gets_an_answer_that_more_bytes_do_not_take_back(data: bytes) -> None:
    answers = [parse_client_hello(data[:size], MOST) for size in range(len(data) + 1)]
    final = next((answer for answer in answers if answer is not NoHello.INCOMPLETE), None)
    if final is not None:
        assert all(answer == final for answer in answers[answers.index(final) :])


@given(st.data())
@fuzzed(100)
def test_a_damaged_hello_is_no_exception(data: st.DataObject) -> None:
    original = bytearray(hello("a.test", ["h2"]))
    for _ in range(data.draw(st.integers(1, 8))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    found = parse_client_hello(bytes(original), MOST)
    if isinstance(found, ClientHello):
        assert len(ja3(found)) == 32
        assert len(ja4(found)) == 36
    else:
        assert isinstance(found, NoHello | NotTls)
