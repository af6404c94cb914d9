"""Listener filters as a whole, in any combination: bytes say the same however they were split, and none of them break a connection."""

from __future__ import annotations

import itertools
import ssl
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataplane.api.listener_filter import Inspected, ListenerFilter
from dataplane.base.address import SocketAddress
from dataplane.extensions.filters.listener.http_inspector import HttpInspector
from dataplane.extensions.filters.listener.original_dst import OriginalDst
from dataplane.extensions.filters.listener.proxy_protocol import ProxyProtocol, ProxyProtocolSettings
from dataplane.extensions.filters.listener.tls_inspector import InspectorSettings, TlsInspector
from dataplane.listener.inspection import InspectionRun
from dataplane.listener.stats import ListenerStats
from dataplane.observe.stats import StatsStore
from dataplane.semantics.http_preface import H2_PREFACE
from dataplane.semantics.proxy_protocol import V2_SIGNATURE
from tests.support.fuzzing import fuzzed


def client_hello(*protocols: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="a.test").do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("nobody answered")


def version_2(command: int, family: int, body: bytes) -> bytes:
    return V2_SIGNATURE + bytes((command, family)) + len(body).to_bytes(2, "big") + body


TCP4 = b"\x0a\x01\x01\x01\x0a\x02\x02\x02\x11\x11\x22\x22"
INTRODUCTIONS = st.sampled_from(
    [
        b"",
        b"PROXY TCP4 10.1.1.1 10.2.2.2 1111 2222\r\n",
        b"PROXY TCP6 fc00::1 fc00::2 1111 2222\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN " + b"x" * 100,
        b"PROXY TCP4 10.1.1.1\r\n",
        b"PROXY",
        version_2(0x21, 0x11, TCP4),
        version_2(0x21, 0x11, TCP4 + b"\xea\0\x03abc\x02\0\x06a.test"),
        version_2(0x21, 0x11, TCP4 + b"\xea\0\xff"),
        version_2(0x20, 0x00, b""),
        version_2(0x21, 0x21, bytes(36)),
        version_2(0x21, 0x31, bytes(216)),
        version_2(0x31, 0x11, TCP4),
        version_2(0x21, 0x11, b"short"),
        V2_SIGNATURE,
    ]
)
TALK = st.sampled_from(
    [
        client_hello(),
        client_hello("h2", "http/1.1"),
        client_hello("istio-http/1.1"),
        H2_PREFACE + b"\0\0\0\x04\0\0\0\0\0",
        b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"POST /x HTTP/3.0\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x40\x00\x01",
        b"",
    ]
)


@st.composite
def openings(draw: st.DrawFn) -> bytes:
    """What a connection begins with, damaged in one place or not."""
    data = draw(INTRODUCTIONS) + draw(TALK | st.binary(max_size=30))
    if data and draw(st.booleans()):
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=2)) + data[at + 1 :]
    return data


FILTERS: list[ListenerFilter] = [
    OriginalDst(),
    ProxyProtocol(ProxyProtocolSettings({0xEA: ("space", "key")}, passed=None)),
    ProxyProtocol(ProxyProtocolSettings({}, versions=(2,), may_be_missing=True, into_state=True)),
    TlsInspector(),
    TlsInspector(InspectorSettings(300, close_on_errors=True, ja3=True, ja4=True)),
    HttpInspector(),
]
CHAINS = st.lists(st.sampled_from(FILTERS), min_size=1, max_size=4)
CUTS = st.lists(st.integers(0, 700), max_size=12)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({min(cut, len(data)) for cut in cuts} - {0, len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


class Chosen:
    """In the place of the connection: what it is told."""

    def __init__(self) -> None:
        self.verdicts: list[str] = []

    def on_inspected(self, inspected: Inspected) -> None:
        self.verdicts.append("go on")

    def on_not_inspected(self, inspected: Inspected) -> None:
        self.verdicts.append("close")

    def connection_lost(self, exc: Exception | None) -> None: ...


class Transport:
    def set_protocol(self, protocol: object) -> None: ...


def reading(filters: list[ListenerFilter], pieces: list[bytes]) -> tuple[object, ...]:
    """The verdict; where the connection goes on, every fact, what is left to read, and what was counted.

    Of a refused header as much counts as was there when it was refused; so it does in Envoy.
    """
    stats = StatsStore()
    connection = Chosen()
    inspected = Inspected(SocketAddress("127.0.0.1", 80), SocketAddress("10.9.9.9", 4711), stats)
    run = InspectionRun(connection, inspected, filters, False, ListenerStats(stats.scope("listener.x."), 0))
    transport: Any = Transport()
    deadlines: Any = None
    run.start(transport, deadlines, 0)
    left = list(pieces)
    while left and not connection.verdicts:
        run.data_received(left.pop(0))
    if not connection.verdicts:
        run.eof_received()
    assert len(connection.verdicts) == 1
    if connection.verdicts == ["close"]:
        return ("close",)
    facts = {name: getattr(inspected, name) for name in Inspected.__slots__ if name not in ("data", "stats", "sock")}
    counted = {name: counter.value for name, counter in stats.counters.items() if counter.value}
    return "go on", facts, inspected.data + b"".join(left), counted


@given(CHAINS, openings(), CUTS)
@fuzzed(300)
def test_any_split_is_inspected_the_same(filters: list[ListenerFilter], data: bytes, cuts: list[int]) -> None:
    assert reading(filters, split(data, cuts)) == reading(filters, [data] if data else [])


@given(CHAINS, openings())
@fuzzed(100)
def test_byte_by_byte_is_inspected_the_same(filters: list[ListenerFilter], data: bytes) -> None:
    assert reading(filters, [data[at : at + 1] for at in range(len(data))]) == reading(filters, [data] if data else [])
