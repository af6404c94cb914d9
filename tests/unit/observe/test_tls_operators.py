"""Operators that tell of TLS: the same facts as texts, and nothing without TLS."""

from __future__ import annotations

import pytest

from dataplane.base.errors import FieldPath
from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.observe import tls_operators
from dataplane.observe.stream_info import StreamInfo
from tests.support.certificates import Authority

PEER = Certificate.from_pem(Authority("an authority").sign("spiffe://a/b", "one.test", "two.test", "10.0.0.1").certificate)


class Facts:
    """observe.tls_facts.TlsFacts."""

    version = "TLSv1.2"
    cipher = "ECDHE-ECDSA-AES128-GCM-SHA256"
    session_id = "ab"
    server_name = "a.test"
    alpn = ""
    peer_certificate = PEER
    peer_chain = (PEER.der,)
    local_certificate = None


@pytest.fixture
def info() -> StreamInfo:
    found = StreamInfo()
    found.downstream_tls = Facts()
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DOWNSTREAM_TLS_VERSION", "TLSv1.2"),
        ("DOWNSTREAM_TLS_CIPHER", "ECDHE-ECDSA-AES128-GCM-SHA256"),
        ("DOWNSTREAM_TLS_SESSION_ID", "ab"),
        ("DOWNSTREAM_PEER_SUBJECT", "CN=spiffe://a/b"),
        ("DOWNSTREAM_PEER_ISSUER", "CN=an authority"),
        ("DOWNSTREAM_PEER_URI_SAN", "spiffe://a/b"),
        ("DOWNSTREAM_PEER_DNS_SAN", "one.test,two.test"),
        ("DOWNSTREAM_PEER_IP_SAN", "10.0.0.1"),
        # Named here: the processes of a run each make a certificate of their own, and must agree on the names of the tests.
        pytest.param("DOWNSTREAM_PEER_FINGERPRINT_256", PEER.fingerprint_256, id="fingerprint"),
        pytest.param("DOWNSTREAM_PEER_SERIAL", PEER.serial, id="serial"),
        ("DOWNSTREAM_PEER_EMAIL_SAN", None),
        ("DOWNSTREAM_LOCAL_SUBJECT", None),
        ("UPSTREAM_TLS_VERSION", None),
    ],
)
def test_facts_as_texts(info: StreamInfo, name: str, value: str | None) -> None:
    assert tls_operators.FACTS[name](info) == value


def test_a_session_of_tls_1_3_has_no_id(info: StreamInfo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Facts, "version", "TLSv1.3")
    assert tls_operators.FACTS["DOWNSTREAM_TLS_SESSION_ID"](info) is None


def test_a_certificate_travels_as_one_word(info: StreamInfo) -> None:
    text = tls_operators.FACTS["DOWNSTREAM_PEER_CERT"](info)
    assert text is not None
    assert text.startswith("-----BEGIN%20CERTIFICATE-----%0A")


def test_times_take_a_format(info: StreamInfo) -> None:
    at = FieldPath()
    assert tls_operators.TIMES["DOWNSTREAM_PEER_CERT_V_START"]("%s", at)(info) == str(int(PEER.not_before.timestamp()))
    default = tls_operators.TIMES["DOWNSTREAM_PEER_CERT_V_END"]("", at)(info)
    assert default == PEER.not_after.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_without_tls_there_is_nothing() -> None:
    plain = StreamInfo()
    assert {read(plain) for read in tls_operators.FACTS.values()} == {None}
