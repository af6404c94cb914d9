"""Bundle maps: what is taken, and Envoy's words (seen with 1.40) for what is not."""

from __future__ import annotations

import base64
import json
import ssl
from typing import Any

import pytest

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.spiffe_bundle_map import Authorities, authorities_of
from tests.support.certificates import Authority

EAST, WEST = Authority("east"), Authority("west")
AT = FieldPath("trust_bundles")


def encoded(authority: Authority) -> str:
    return base64.b64encode(ssl.PEM_cert_to_DER_cert(authority.certificate.decode())).decode()


def key(*certificates: str) -> dict[str, Any]:
    return {"kty": "EC", "use": "x509-svid", "x5c": list(certificates)}


def read(domains: object) -> Authorities:
    return authorities_of(json.dumps({"trust_domains": domains}).encode(), AT)


def test_every_certificate_of_every_key_counts() -> None:
    domains = {"a.test": {"spiffe_sequence": 7, "keys": [key(encoded(EAST), encoded(WEST)), key(encoded(EAST))]}}
    assert read(domains) == (("a.test", EAST.certificate + WEST.certificate + EAST.certificate),)


def test_the_last_of_two_domains_of_one_name_counts() -> None:
    first, last = (json.dumps({"keys": [key(encoded(each))]}) for each in (EAST, WEST))
    text = f'{{"trust_domains": {{"a.test": {first}, "a.test": {last}}}}}'
    assert authorities_of(text.encode(), AT) == (("a.test", WEST.certificate),)


@pytest.mark.parametrize(
    ("domain", "reason"),
    [
        ({}, "No keys found in SPIFFE bundle for domain 'a.test'"),
        (3, "No keys found in SPIFFE bundle for domain 'a.test'"),
        ({"keys": []}, "No keys found in SPIFFE bundle for domain 'a.test'"),
        ({"keys": {}}, "No keys found in SPIFFE bundle for domain 'a.test'"),
        ({"keys": [3]}, "missing or invalid 'use' field found in cert for domain 'a.test'"),
        ({"keys": [{"x5c": []}]}, "missing or invalid 'use' field found in cert for domain 'a.test'"),
        ({"keys": [{"use": "jwt-svid"}, key(encoded(EAST))]}, "missing or invalid 'use' field found in cert for domain 'a.test'"),
        ({"keys": [{"use": "x509-svid"}]}, "missing or empty 'x5c' field found in keys for domain: 'a.test'"),
        ({"keys": [key()]}, "missing or empty 'x5c' field found in keys for domain: 'a.test'"),
        ({"keys": [key("???")]}, "Failed to create x509 object while loading certs in domain 'a.test'"),
        ({"keys": [{"use": "x509-svid", "x5c": [3]}]}, "Failed to create x509 object while loading certs in domain 'a.test'"),
        ({"keys": [key("aGVsbG8=")]}, "Invalid x509 object in certs for domain 'a.test'"),
    ],
)
def test_a_domain_that_cannot_be_read_spoils_the_whole(domain: object, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read({"b.test": {"keys": [key(encoded(EAST))]}, "a.test": domain})
    assert str(caught.value) == f"trust_bundles: {reason}"


@pytest.mark.parametrize("text", [b"", b"xx", b"\xff", b"[" * 100_000])
def test_what_is_no_json(text: bytes) -> None:
    with pytest.raises(ConfigError, match="Invalid JSON found in SPIFFE bundle"):
        authorities_of(text, AT)


@pytest.mark.parametrize("text", [b"{}", b"[]", b"3", b'{"trust_domains": {}}', b'{"trust_domains": []}'])
def test_a_map_without_domains(text: bytes) -> None:
    with pytest.raises(ConfigError, match="No trust domains found in SPIFFE bundle"):
        authorities_of(text, AT)
