"""TLS as a dialogue of bytes: a client of the library on one side, our layer on the other."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.cipher_suites import DEFAULT_CIPHERS
from dataplane.compile.context import CompileContext
from dataplane.compile.secret import compile_secret
from dataplane.extensions.transport_sockets.tls.downstream import DownstreamTlsSocket, ServerContexts
from dataplane.extensions.transport_sockets.tls.transport import TlsTransport
from dataplane.observe.stats import StatsStore
from dataplane.observe.tls_facts import TlsFacts
from dataplane.snapshot.secret import TlsCertificate
from dataplane.snapshot.tls import CommonTls, DownstreamTls, TlsParameters
from tests.support.certificates import Authority
from tests.support.collector import living, no_collector
from tests.support.compiling import message

AUTHORITY = Authority()


def certificate(*names: str) -> TlsCertificate:
    keys = AUTHORITY.sign(*names)
    content = {
        "name": "s",
        "tls_certificate": {
            "certificate_chain": {"inline_string": keys.certificate.decode()},
            "private_key": {"inline_string": keys.private_key.decode()},
        },
    }
    made = message("envoy.extensions.transport_sockets.tls.v3.Secret", content)
    value = compile_secret(made, FieldPath(), CompileContext())
    assert isinstance(value, TlsCertificate)
    return value


class Below(asyncio.Transport):
    """The network: keeps what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.closed = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


class Above:
    """A filter: keeps what it is told."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.tls: TlsFacts | None = None
        self.failure: str | None = None
        self.ended = False
        self.transport: object = None

    def on_secured(self, tls: TlsFacts) -> None:
        self.tls = tls

    def on_not_secured(self, reason: str, tls: TlsFacts | None) -> None:
        self.failure = reason

    def data_received(self, data: bytes) -> None:
        self.received.append(data)

    def eof_received(self) -> bool:
        self.ended = True
        return False

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class Talk:
    """A client and our layer, step bytes at a time."""

    def __init__(self, *certificates: TlsCertificate, name: str = "a.test", step: int = 1 << 20) -> None:
        parameters = TlsParameters("TLSv1_2", "TLSv1_3", DEFAULT_CIPHERS)
        socket = DownstreamTlsSocket(DownstreamTls(CommonTls(parameters, certificates, alpn=("h2", "http/1.1"))), FieldPath())
        self.stats = StatsStore()
        self.below, self.above = Below(), Above()
        layer = socket.accept(self.below, self.above, {}, self.stats.scope("listener.x."))
        assert layer is not None
        self.layer = layer
        context = ssl.create_default_context(cadata=AUTHORITY.certificate.decode())
        context.set_alpn_protocols(["http/1.1"])
        self._to_client, self._from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self._to_client, self._from_client, server_hostname=name)
        self._step = step

    def shake_hands(self) -> None:
        for _ in range(4):
            try:
                self.client.do_handshake()
            except ssl.SSLWantReadError:
                self.carry()
        self.carry()

    def carry(self) -> None:
        data = self._from_client.read()
        for start in range(0, len(data), self._step):
            self.layer.data_received(data[start : start + self._step])
        self._to_client.write(self.below.sent)
        self.below.sent = b""

    def count(self, name: str) -> int:
        return self.stats.counter(f"listener.x.ssl.{name}").value


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_request_and_its_answer_however_the_bytes_come(step: int) -> None:
    talk = Talk(certificate("a.test"), step=step)
    talk.shake_hands()
    assert talk.above.tls is not None
    assert (talk.above.tls.server_name, talk.above.tls.alpn, talk.above.tls.version) == ("a.test", "http/1.1", "TLSv1.3")
    talk.client.write(b"question")
    talk.carry()
    assert b"".join(talk.above.received) == b"question"
    talk.layer.write(b"answer" * 10_000)  # more than one record
    talk.carry()
    answer = b""
    while len(answer) < 60_000:
        answer += talk.client.read(1 << 16)
    assert answer == b"answer" * 10_000
    assert (talk.count("handshake"), talk.count("no_certificate"), talk.count("versions.TLSv1.3")) == (1, 1, 1)


@pytest.mark.parametrize("step", [1, 30, 700, 16_400, 17_000, 40_000])
def test_no_record_waits_for_the_next_bytes(step: int) -> None:
    """Whatever is left of a record when a read ends; the last of these begins in the same read as another ends."""
    talk = Talk(certificate("a.test"), step=step)
    talk.shake_hands()
    for size in (1, 40_000, 16_384, 3, 0, 20_000, 500):
        talk.above.received.clear()
        for piece in range(0, size, 16_384):
            talk.client.write(b"x" * min(size - piece, 16_384))
        talk.carry()
        assert sum(map(len, talk.above.received)) == size


def test_the_certificate_is_the_one_for_the_name() -> None:
    talk = Talk(certificate("a.test"), certificate("b.test", "*.b.test"), name="www.b.test")
    talk.shake_hands()  # the client verifies the name
    assert talk.above.tls is not None
    assert talk.above.tls.local_certificate is not None
    assert talk.above.tls.local_certificate.dns_names == ("b.test", "*.b.test")


def test_what_is_no_tls_is_told_as_envoy_does() -> None:
    talk = Talk(certificate("a.test"))
    talk.layer.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert talk.above.failure == "TLS_error:|268435612:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"
    assert talk.below.closed
    assert talk.count("connection_error") == 1
    talk.layer.data_received(b"more")  # not read any more
    assert talk.count("connection_error") == 1


def test_a_client_that_goes_before_the_end_of_the_handshake_is_no_error() -> None:
    talk = Talk(certificate("a.test"))
    assert talk.layer.eof_received() is False
    assert talk.above.failure == ""
    assert talk.count("connection_error") == 0


def test_close_notify_ends_both_directions() -> None:
    talk = Talk(certificate("a.test"))
    talk.shake_hands()
    with pytest.raises(ssl.SSLWantReadError):
        talk.client.unwrap()
    talk.carry()
    assert talk.above.ended
    assert talk.below.closed
    talk.client.unwrap()  # ours came, too


@pytest.mark.parametrize("names", [("a.test",), ("a.test", "b.test")], ids=len)
def test_a_connection_that_is_gone_leaves_nothing_to_the_collector(names: tuple[str, ...]) -> None:
    """Neither its layer, nor the contexts of a configuration that nobody has any more."""
    with no_collector():
        talk = Talk(*map(certificate, names))
        talk.shake_hands()
        talk.above.transport = talk.layer
        talk.layer.connection_lost(None)
        del talk
        assert living(Above, TlsTransport, ServerContexts) == []
