"""The support table: declarations are checked when made, and merge."""

from __future__ import annotations

import pytest
from envoy.config.core.v3.address_pb2 import SocketAddress
from envoy.data.dns.v3.dns_table_pb2 import DnsTable
from envoy.service.tap.v3.tap_pb2 import StreamTapsRequest

from dataplane.compile.support import ignores, support_of, supports

pytestmark = pytest.mark.usefixtures("own_support_table")


def test_declarations_of_one_message_merge() -> None:
    supports(StreamTapsRequest.Identifier, "node")
    supports(StreamTapsRequest.Identifier, "tap_id")
    supports(StreamTapsRequest.Identifier)
    entry = support_of("envoy.service.tap.v3.StreamTapsRequest.Identifier")
    assert entry is not None
    assert entry.supported == {"node", "tap_id"}


def test_a_misspelt_field_is_found_at_import() -> None:
    with pytest.raises(ValueError, match="has no field 'adress'"):
        supports(SocketAddress, "adress")


def test_a_misspelt_enum_value_is_found_at_import() -> None:
    with pytest.raises(ValueError, match="has no value 'SCTP'"):
        supports(SocketAddress, protocol=("SCTP",))


def test_values_of_a_field_that_is_no_enum() -> None:
    with pytest.raises(ValueError, match="is not an enum field"):
        supports(SocketAddress, address=("x",))


def test_supported_and_ignored_contradict_each_other() -> None:
    target = DnsTable.DnsServiceTarget
    supports(target, "weight")
    with pytest.raises(ValueError, match="both supported and ignored"):
        ignores(target, "weight", because="no effect")
    ignores(target, "priority", because="no effect")
    with pytest.raises(ValueError, match="both supported and ignored"):
        supports(target, "priority")


def test_ignored_fields_carry_their_reason() -> None:
    ignores(DnsTable.AddressList, "address", because="a test")
    entry = support_of("envoy.data.dns.v3.DnsTable.AddressList")
    assert entry is not None
    assert entry.ignored == {"address": "a test"}
