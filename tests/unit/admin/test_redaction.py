"""No secret leaves the process, wherever in a configuration it stands."""

from __future__ import annotations

from envoy.config.listener.v3.listener_pb2 import Listener
from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from envoy.extensions.transport_sockets.tls.v3.tls_pb2 import DownstreamTlsContext

from dataplane.admin.redaction import redact

KEY = "-----BEGIN PRIVATE KEY-----"


def test_a_key_is_blanked_and_its_certificate_stays() -> None:
    secret = Secret(name="server")
    secret.tls_certificate.certificate_chain.inline_string = "certificate"
    secret.tls_certificate.private_key.inline_string = KEY
    redact(secret)
    assert secret.tls_certificate.private_key.inline_string == "[redacted]"
    assert secret.tls_certificate.certificate_chain.inline_string == "certificate"


def test_bytes_are_blanked_too() -> None:
    secret = Secret()
    secret.generic_secret.secret.inline_bytes = KEY.encode()
    redact(secret)
    assert secret.generic_secret.secret.inline_bytes == b"[redacted]"


def test_a_key_deep_inside_an_extension_is_found() -> None:
    context = DownstreamTlsContext()
    context.common_tls_context.tls_certificates.add().private_key.inline_string = KEY
    listener = Listener(name="edge")
    listener.filter_chains.add().transport_socket.typed_config.Pack(context)
    redact(listener)
    assert KEY.encode() not in listener.SerializeToString()
    shown = DownstreamTlsContext()
    assert listener.filter_chains[0].transport_socket.typed_config.Unpack(shown)
    assert shown.common_tls_context.tls_certificates[0].private_key.inline_string == "[redacted]"


def test_what_holds_no_secret_is_left_alone() -> None:
    listener = Listener(name="edge", stat_prefix="x")
    before = listener.SerializeToString()
    redact(listener)
    assert listener.SerializeToString() == before
