"""OCSP responses on the wire, as OpenSSL's own client reads them, and what the admin endpoint says of them."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support import bootstraps
from tests.support.certificates import Authority, KeyPair
from tests.support.subject import subject_process

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command")]

TLS = bootstraps.TYPE + "transport_sockets.tls.v3."
HELLO = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}]


def listener(name: str, pair: KeyPair, response: bytes, policy: str) -> dict[str, Any]:
    certificate = {
        "certificate_chain": {"inline_string": pair.certificate.decode()},
        "private_key": {"inline_string": pair.private_key.decode()},
        "ocsp_staple": {"inline_bytes": base64.b64encode(response).decode()},
    }
    common = {"tls_certificates": [certificate]}
    context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common, "ocsp_staple_policy": policy}
    made = bootstraps.http_listener(name, HELLO)
    made["stat_prefix"] = name
    made["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return made


def ask(port: int) -> str:
    """What a client sees who wants an OCSP response."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.test", "-status"]
    return subprocess.run(command, input=b"", capture_output=True, timeout=20, check=False).stdout.decode(errors="replace")


def test_who_asks_is_shown_what_holds(tmp_path: Path) -> None:
    authority = Authority()
    pair = authority.sign("a.test")
    good, expired = authority.vouch(pair), authority.vouch(pair, expired=True)
    listeners = [
        listener("good", pair, good, "MUST_STAPLE"),
        listener("lenient", pair, expired, "LENIENT_STAPLING"),
        listener("strict", pair, expired, "STRICT_STAPLING"),
    ]
    proxy = subject_process(bootstraps.static(listeners, []), tmp_path)
    proxy.start()
    try:
        ports = proxy.wait_listeners(["good", "lenient", "strict"])
        assert "Cert Status: good" in ask(ports["good"])
        assert "OCSP response: no response sent" in ask(ports["lenient"])
        assert "OCSP response" not in ask(ports["strict"])
        counted = {name.removeprefix("listener."): value for name, value in proxy.admin.stats("ocsp_staple").items() if value}
        assert counted == {
            "good.ssl.ocsp_staple_requests": 1,
            "good.ssl.ocsp_staple_responses": 1,
            "lenient.ssl.ocsp_staple_omitted": 1,
            "lenient.ssl.ocsp_staple_requests": 1,
            "strict.ssl.ocsp_staple_failed": 1,
            "strict.ssl.ocsp_staple_requests": 1,
        }
        shown = [context["cert_chain"][0] for context in proxy.admin.get_json("/certs")["certificates"]]
        assert len(shown) == 3
        assert all(set(each["ocsp_details"]) == {"valid_from", "expiration"} for each in shown)
        assert proxy.admin.stats("days_until")["server.days_until_first_cert_expiring"] in (0, 1)
        assert proxy.admin.stats("seconds_until")["server.seconds_until_first_ocsp_response_expiring"] == 0
    finally:
        proxy.stop()
