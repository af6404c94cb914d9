"""Which certificates are the wanted ones."""

from __future__ import annotations

import hashlib

import pytest

from dataplane.extensions.transport_sockets.tls.certificate import Certificate
from dataplane.extensions.transport_sockets.tls.verdict import Verdict
from dataplane.extensions.transport_sockets.tls.verify import dns_name_matches, verify
from dataplane.matching import string
from dataplane.snapshot.secret import SanMatcher, SanType, ValidationContext
from tests.support.certificates import Authority

CERTIFICATE = Certificate.from_pem(Authority().sign("*.a.test", "10.0.0.1", "spiffe://trust/workload").certificate)


def wanting(san_type: SanType, text: str) -> ValidationContext:
    return ValidationContext(subject_alt_names=(SanMatcher(san_type, string.exact(text.encode()), text),))


@pytest.mark.parametrize(
    ("san_type", "text"),
    [(SanType.DNS, "www.a.test"), (SanType.IP_ADDRESS, "10.0.0.1"), (SanType.URI, "spiffe://trust/workload")],
)
def test_one_name_of_the_right_kind_is_enough(san_type: SanType, text: str) -> None:
    assert verify(CERTIFICATE, wanting(san_type, text)) is Verdict.GOOD


@pytest.mark.parametrize(
    ("san_type", "text"),
    [(SanType.DNS, "a.test"), (SanType.DNS, "10.0.0.1"), (SanType.EMAIL, "www.a.test"), (SanType.OTHER_NAME, "www.a.test")],
)
def test_no_name_of_the_right_kind(san_type: SanType, text: str) -> None:
    assert verify(CERTIFICATE, wanting(san_type, text)) is Verdict.SAN


def test_one_of_the_pins_is_enough() -> None:
    good = hashlib.sha256(CERTIFICATE.der).digest()
    bad = bytes(32)
    assert verify(CERTIFICATE, ValidationContext(certificate_hashes=frozenset({bad, good}))) is Verdict.GOOD
    assert verify(CERTIFICATE, ValidationContext(certificate_hashes=frozenset({bad}))) is Verdict.HASH
    spki = frozenset({CERTIFICATE.spki_hash})
    assert verify(CERTIFICATE, ValidationContext(certificate_hashes=frozenset({bad}), spki_hashes=spki)) is Verdict.GOOD


@pytest.mark.parametrize(
    ("wanted", "name", "matches"),
    [
        ("a.test", "A.TEST", True),
        ("x.a.test", "*.a.test", True),
        ("x.y.a.test", "*.a.test", False),
        ("a.test", "*.a.test", False),
        ("x.a.test", "x*.a.test", False),
        ("xn--x.a.test", "*.a.test", False),
    ],
)
def test_a_star_stands_for_one_label(wanted: str, name: str, matches: bool) -> None:
    assert dns_name_matches(wanted, name) is matches
