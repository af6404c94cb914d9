"""The support table: declarations are checked when made, and merge."""

from __future__ import annotations

import pytest
from envoy.config.core.v3.address_pb2 import BindConfig, SocketAddress
from envoy.config.core.v3.base_pb2 import ControlPlane, Extension

from dataplane.compile.support import ignores, support_of, supports


def test_declarations_of_one_message_merge() -> None:
    supports(ControlPlane, "identifier")
    supports(ControlPlane)
    entry = support_of("envoy.config.core.v3.ControlPlane")
    assert entry is not None
    assert entry.supported == {"identifier"}


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
    supports(Extension, "name")
    with pytest.raises(ValueError, match="both supported and ignored"):
        ignores(Extension, "name", because="no effect")
    ignores(Extension, "category", because="no effect")
    with pytest.raises(ValueError, match="both supported and ignored"):
        supports(Extension, "category")


def test_ignored_fields_carry_their_reason() -> None:
    ignores(BindConfig, "additional_source_addresses", because="a test")
    entry = support_of("envoy.config.core.v3.BindConfig")
    assert entry is not None
    assert entry.ignored == {"additional_source_addresses": "a test"}
