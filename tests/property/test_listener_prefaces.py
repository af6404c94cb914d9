"""However the first bytes of a connection are split: nothing raises, and no answer is taken back when more bytes come."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from dataplane.semantics.http_preface import H2_PREFACE, Preface, look_at_preface
from dataplane.semantics.proxy_protocol import V2_SIGNATURE, NoHeader, ProxyHeader, parse_proxy_header
from tests.support.fuzzing import fuzzed

ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)
PORTS = st.integers(min_value=0, max_value=65535)
BEGINNINGS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", V2_SIGNATURE, V2_SIGNATURE + b"\x21\x11\0\x0c", H2_PREFACE, b"GET / "]
)


def is_final(read: Callable[[bytes], object], data: bytes, open_answer: object) -> bool:
    """Whether the first answer of *read* to a growing beginning of *data* is also its last."""
    answers = [read(data[:size]) for size in range(len(data) + 1)]
    final = [answer for answer in answers if answer is not open_answer]
    return not final or (answers[len(answers) - len(final) :] == final and all(answer == final[0] for answer in final))


@given(BEGINNINGS, st.binary(max_size=60))
@fuzzed(100)
def test_the_http_preface(beginning: bytes, rest: bytes) -> None:
    assert is_final(look_at_preface, beginning + rest, Preface.INCOMPLETE)


@given(BEGINNINGS, st.binary(max_size=60))
@fuzzed(100)
def test_the_proxy_header(beginning: bytes, rest: bytes) -> None:
    data = beginning + rest
    answers = [parse_proxy_header(data[:size]) for size in range(len(data) + 1)]
    found = next((answer for answer in answers if isinstance(answer, ProxyHeader)), None)
    if found is not None:
        assert answers[-1] == found
        assert all(answer is NoHeader.INCOMPLETE for answer in answers[: found.length])


@given(
    st.binary(min_size=12, max_size=12),
    st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=20)), max_size=4),
    st.binary(max_size=9),
)
def test_values_are_read_whatever_follows(addresses: bytes, tlvs: list[tuple[int, bytes]], rest: bytes) -> None:
    body = (
        b"\1\2\3\4\5\6\7\x08" + addresses[8:] + b"".join(bytes([kind]) + len(value).to_bytes(2) + value for kind, value in tlvs)
    )
    data = V2_SIGNATURE + b"\x21\x11" + len(body).to_bytes(2) + body
    header = parse_proxy_header(data + rest)
    assert isinstance(header, ProxyHeader)
    assert (header.length, header.tlvs) == (len(data), tuple(tlvs))


@given(ADDRESSES, ADDRESSES, PORTS, PORTS)
@fuzzed(100)
def test_a_line_says_what_was_written(source: object, destination: object, source_port: int, destination_port: int) -> None:
    family = "TCP6" if ":" in str(source) else "TCP4"
    header = parse_proxy_header(f"PROXY {family} {source} {destination} {source_port} {destination_port}\r\n".encode())
    if isinstance(header, ProxyHeader):
        assert header.source is not None
        assert header.destination is not None
        assert (header.source.port, header.destination.port) == (source_port, destination_port)
        assert header.source.host.count(":") == 0 or family == "TCP6"
    else:
        assert header is NoHeader.BROKEN_V1
