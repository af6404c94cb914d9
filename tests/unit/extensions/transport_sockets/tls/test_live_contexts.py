"""Contexts that follow what they are made of: secrets, and a file with trust bundles."""

from __future__ import annotations

import base64
import json
import logging
import ssl
from pathlib import Path

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.spiffe_bundle_map import authorities_of
from dataplane.extensions.transport_sockets.tls.live_contexts import LiveContexts, Materials
from dataplane.snapshot.secret import SecretReference, SessionTicketKeys, ValidationContext
from dataplane.snapshot.tls import CommonTls, TlsParameters
from tests.support.certificates import Authority

EAST, WEST = Authority("east"), Authority("west")
PARAMETERS = TlsParameters("TLSv1_2", "TLSv1_3", "")


def bundle_map(**domains: Authority) -> bytes:
    def key(authority: Authority) -> dict[str, object]:
        der = ssl.PEM_cert_to_DER_cert(authority.certificate.decode())
        return {"use": "x509-svid", "x5c": [base64.b64encode(der).decode()]}

    return json.dumps({"trust_domains": {name: {"keys": [key(each)]} for name, each in domains.items()}}).encode()


def move_into_place(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(path)


def domains(common: CommonTls) -> LiveContexts[tuple[str, ...]]:
    """What stands for the contexts: the names of the trust domains that they know."""

    def build(materials: Materials) -> tuple[str, ...]:
        assert materials.validation is not None
        return tuple(name for name, _ in materials.validation.trust_domains)

    return LiveContexts(common, build)


def validation(path: Path) -> ValidationContext:
    found = authorities_of(path.read_bytes(), FieldPath("trust_bundles"))
    return ValidationContext(trust_domains=found, trust_bundles_path=str(path))


def test_a_changed_file_reaches_the_next_handshake(tmp_path: Path) -> None:
    path = tmp_path / "bundles.json"
    path.write_bytes(bundle_map(east=EAST))
    live = domains(CommonTls(PARAMETERS, validation=validation(path)))
    assert live.follow({}) == ("east",)
    path.write_bytes(bundle_map(east=EAST, west=WEST))
    assert live.follow({}) == ("east", "west")
    move_into_place(path, bundle_map(west=WEST))
    assert live.follow({}) == ("west",)
    materials = live.materials({})
    assert materials is not None
    assert materials.validation is not None
    assert materials.validation.authorities == WEST.certificate


def test_a_change_before_the_first_handshake_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "bundles.json"
    path.write_bytes(bundle_map(east=EAST))
    common = CommonTls(PARAMETERS, validation=validation(path))
    path.write_bytes(bundle_map(west=WEST))
    assert domains(common).follow({}) == ("west",)


def test_a_bad_file_leaves_what_was_in_use_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "bundles.json"
    path.write_bytes(bundle_map(east=EAST))
    live = domains(CommonTls(PARAMETERS, validation=validation(path)))
    move_into_place(path, b"nonsense")
    with caplog.at_level(logging.ERROR, "config"):
        assert [live.follow({}) for _ in range(3)] == [("east",)] * 3
    assert [record.getMessage() for record in caplog.records] == [
        f"Failed to transform data from file '{path}', what was in use before stays: trust_bundles: Invalid JSON found in SPIFFE bundle"
    ]
    path.unlink()
    assert live.follow({}) == ("east",)
    path.write_bytes(bundle_map(west=WEST))
    assert live.follow({}) == ("west",)


def test_a_file_that_comes_with_a_secret_is_followed_as_long_as_the_secret_names_it(tmp_path: Path) -> None:
    path, other = tmp_path / "one.json", tmp_path / "other.json"
    path.write_bytes(bundle_map(east=EAST))
    other.write_bytes(bundle_map(west=WEST))
    reference = SecretReference("roots")
    live = domains(CommonTls(PARAMETERS, validation_reference=reference))
    assert live.follow({}) is None
    assert live.materials({}) is None
    assert live.follow({reference.key: validation(path)}) == ("east",)
    secrets = {reference.key: validation(other)}
    assert live.follow(secrets) == ("west",)
    path.write_bytes(bundle_map(north=EAST))
    assert live.follow(secrets) == ("west",)
    other.write_bytes(bundle_map(north=EAST))
    assert live.follow(secrets) == ("north",)
    assert live.follow({reference.key: ValidationContext(trust_domains=(("south", EAST.certificate),))}) == ("south",)


def test_ticket_keys_that_come_by_sds_are_waited_for_and_followed(caplog: pytest.LogCaptureFixture) -> None:
    reference = SecretReference("keys")
    live = LiveContexts(CommonTls(PARAMETERS), lambda materials: materials.ticket_keys, reference)
    assert live.follow({}) is None
    assert live.follow({reference.key: SessionTicketKeys((b"1",))}) == (b"1",)
    assert live.follow({reference.key: SessionTicketKeys((b"2", b"1"))}) == (b"2", b"1")
    with caplog.at_level(logging.ERROR, "config"):
        assert live.follow({reference.key: ValidationContext()}) == (b"2", b"1")
    assert "Secret{keys}: is not a SessionTicketKeys" in caplog.text
