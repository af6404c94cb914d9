"""TLS contexts: what is taken, and the words of Envoy for what is not."""

from __future__ import annotations

import pytest

from dataplane.compile.compliance import FIPS_202205
from dataplane.snapshot.cluster import Cluster
from dataplane.snapshot.listener import Listener
from tests.support import bootstraps
from tests.support.certificates import Authority
from tests.support.compiling import compiled, errors, message
from tests.support.tls_config import TLS, pair, pem

AUTHORITY = Authority()
KEYS = AUTHORITY.sign("a.test")
SAN = {"san_type": "DNS", "matcher": {"exact": "a.test"}}


CA = {"trusted_ca": pem(AUTHORITY.certificate)}


def listener(common: dict[str, object], **more: object) -> object:
    content = bootstraps.http_listener("edge", [])
    context = {"@type": TLS + "DownstreamTlsContext", "common_tls_context": common, **more}
    content["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return message("envoy.config.listener.v3.Listener", content)


def cluster(common: dict[str, object], **more: object) -> object:
    context = {"@type": TLS + "UpstreamTlsContext", "common_tls_context": common, **more}
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    return message("envoy.config.cluster.v3.Cluster", bootstraps.static_cluster("c", 80, transport_socket=socket))


CERTIFICATES = {"tls_certificates": [pair(KEYS)]}

REFUSED = {
    "no certificate": ({}, "No TLS certificates found for server context"),
    "another key": (
        {"tls_certificates": [{**pair(KEYS), "private_key": pem(AUTHORITY.sign("b.test").private_key)}]},
        "Failed to load private key from <inline>, Cause: "
        "error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH",
    ),
    "no chain": (
        {"tls_certificates": [{"private_key": pem(KEYS.private_key)}]},
        "Failed to load incomplete certificate from : certificate chain not set",
    ),
    "no key": (
        {"tls_certificates": [{"certificate_chain": pem(KEYS.certificate)}]},
        "Failed to load incomplete private key from path: ",
    ),
    "a chain that is none": (
        {"tls_certificates": [{**pair(KEYS), "certificate_chain": {"inline_string": "x"}}]},
        "Failed to load certificate chain from <inline>",
    ),
    "a key that is none": (
        {"tls_certificates": [{**pair(KEYS), "private_key": {"inline_string": "x"}}]},
        "Failed to load private key from <inline>, Cause: error:0900006e:PEM routines:OPENSSL_internal:NO_START_LINE",
    ),
    "names without an authority": (
        {**CERTIFICATES, "validation_context": {"match_typed_subject_alt_names": [SAN]}},
        "SAN-based verification of peer certificates without trusted CA is insecure and not allowed",
    ),
    "an unknown cipher": (
        {**CERTIFICATES, "tls_params": {"cipher_suites": ["BOGUS", "ECDHE-RSA-AES128-GCM-SHA256"]}},
        "Failed to initialize cipher suites BOGUS:ECDHE-RSA-AES128-GCM-SHA256. "
        "The following ciphers were rejected when tried individually: BOGUS",
    ),
    "an unknown curve": ({**CERTIFICATES, "tls_params": {"ecdh_curves": ["BOGUS"]}}, "Failed to initialize ECDH curves BOGUS"),
    "a protocol name that is too long": ({**CERTIFICATES, "alpn_protocols": ["x" * 256]}, "Invalid ALPN protocol string"),
    "other names without a type": (
        {**CERTIFICATES, "validation_context": {**CA, "match_typed_subject_alt_names": [{**SAN, "san_type": "OTHER_NAME"}]}},
        "Failed to create SAN matcher for OTHER_NAME with OID: ",
    ),
}


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_envoy_refuses_is_refused_in_its_words(case: str) -> None:
    common, reason = REFUSED[case]
    (found,) = errors(listener(common))
    assert found.endswith(reason)


def test_a_client_has_one_certificate() -> None:
    (found,) = errors(cluster({"tls_certificates": [pair(KEYS), pair(KEYS)]}))
    assert found.endswith("Multiple TLS certificates are not supported for client contexts")


def test_names_of_upstreams_need_something_to_be_checked_against() -> None:
    (found,) = errors(cluster({}, auto_sni_san_validation=True))
    assert found.endswith("'auto_sni_san_validation' was configured without a validation context")


def test_a_context_on_the_wrong_side_is_no_context() -> None:
    content = bootstraps.http_listener("edge", [])
    context = {"@type": TLS + "UpstreamTlsContext"}
    content["filter_chains"][0]["transport_socket"] = {"name": "envoy.transport_sockets.tls", "typed_config": context}
    (found,) = errors(message("envoy.config.listener.v3.Listener", content))
    assert "didn't find a registered implementation" in found


def test_versions_have_envoys_defaults() -> None:
    down: Listener = compiled(listener(CERTIFICATES))
    up: Cluster = compiled(cluster({}))
    server, client = down.filter_chains[0].transport_socket, up.transport_socket
    parameters = server.config.common.parameters  # type: ignore[attr-defined]
    assert (parameters.minimum, parameters.maximum) == ("TLSv1_2", "TLSv1_3")
    parameters = client.config.common.parameters  # type: ignore[union-attr]
    assert (parameters.minimum, parameters.maximum) == ("TLSv1_2", "TLSv1_2")


def test_a_policy_leaves_nothing_of_the_rest_which_has_to_be_right() -> None:
    policy = {"compliance_policies": ["FIPS_202205"]}
    others = {"tls_minimum_protocol_version": "TLSv1_0", "ecdh_curves": ["X25519"], "cipher_suites": ["AES128-SHA"]}
    for parameters in (policy, policy | others):
        down: Listener = compiled(listener({**CERTIFICATES, "tls_params": parameters}))
        up: Cluster = compiled(cluster({"tls_params": parameters}))
        for socket in (down.filter_chains[0].transport_socket, up.transport_socket):
            assert socket.config.common.parameters == FIPS_202205  # type: ignore[union-attr]
    (found,) = errors(listener({**CERTIFICATES, "tls_params": policy | {"ecdh_curves": ["x"]}}))
    assert found.endswith("Failed to initialize ECDH curves x")


def test_secrets_of_sds_are_told_to_who_waits_for_them() -> None:
    source = {"ads": {}, "initial_fetch_timeout": "3s"}
    common = {
        "tls_certificate_sds_secret_configs": [{"name": "server", "sds_config": source}],
        "validation_context_sds_secret_config": {"name": "authority", "sds_config": source},
    }
    made: Listener = compiled(listener(common))
    told = {(each.name, each.source.initial_fetch_timeout) for each in made.secret_references if each.source is not None}
    assert told == {("server", 3.0), ("authority", 3.0)}
