"""Addresses and ranges."""

from __future__ import annotations

import pytest

from dataplane.matching.cidr import CidrSet, network, parse_address


def test_addresses() -> None:
    assert str(parse_address("10.0.0.1")) == "10.0.0.1"
    assert str(parse_address("::ffff:10.0.0.1")) == "10.0.0.1"
    assert str(parse_address("fe80::1%eth0")) == "fe80::1"
    assert parse_address("name") is None


def test_ranges_are_cut_to_their_family_and_cleared_below_the_prefix() -> None:
    assert str(network("10.1.2.3", 8)) == "10.0.0.0/8"
    assert str(network("10.1.2.3", 64)) == "10.1.2.3/32"
    with pytest.raises(ValueError, match="name"):
        network("name", 8)


def test_a_set_holds_what_any_of_its_ranges_holds() -> None:
    both = CidrSet([network("10.0.0.0", 8), network("fd00::", 8)])
    assert parse_address("10.200.0.1") in both
    assert parse_address("fd12::1") in both
    assert parse_address("11.0.0.1") not in both
    assert parse_address("name") not in both
    assert parse_address("::1") not in CidrSet([])
