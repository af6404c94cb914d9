"""custom_settings_parameters of Http2ProtocolOptions, and what Envoy refuses of them."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.core.v3.protocol_pb2 import Http2ProtocolOptions
from google.protobuf import json_format

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.http2_settings import compile_custom_settings

AT = FieldPath() / "custom"


def compiled(*parameters: tuple[int, int], **named: Any) -> tuple[tuple[int, int], ...]:
    custom = [{"identifier": identifier, "value": value} for identifier, value in parameters]
    message = json_format.ParseDict({"custom_settings_parameters": custom, **named}, Http2ProtocolOptions())
    return compile_custom_settings(message, AT)


def test_in_their_order_and_once() -> None:
    assert compiled() == ()
    assert compiled((0x99, 1), (6, 1000), (0x99, 1), (0, 2)) == ((0x99, 1), (6, 1000), (0, 2))


def test_push_may_be_refused_to_hosts_once_more() -> None:
    assert compiled((2, 0)) == ((2, 0),)


def test_a_window_of_the_connection_is_no_setting() -> None:
    assert compiled((4, 65535), initial_connection_window_size=65535) == ((4, 65535),)


@pytest.mark.parametrize(
    ("parameters", "named", "expected"),
    [
        (
            [(2, 1)],
            {},
            "custom[0]: server push is not supported by Envoy and can not be enabled via a SETTINGS parameter.",
        ),
        (
            [(9, 1), (8, 1)],
            {},
            'custom[1]: the "allow_connect" SETTINGS parameter must only be configured through the named field',
        ),
        (
            [(0x99, 1), (0x99, 2), (16, 1), (16, 3), (16, 4)],
            {},
            "custom: inconsistent HTTP/2 custom SETTINGS parameter(s) detected; identifiers = {0x99,0x10}",
        ),
        (
            [(4, 65535), (3, 7)],
            {"max_concurrent_streams": 7, "initial_stream_window_size": 65535},
            "custom: the {max_concurrent_streams,initial_stream_window_size} HTTP/2 SETTINGS parameter(s) can not be configured "
            "through both named and custom parameters",
        ),
        ([(5, 1)], {}, "custom[0].value: value must be inside range [16384, 16777215]"),
        ([(4, 1 << 31)], {}, "custom[0].value: value must be inside range [0, 2147483647]"),
        ([(2, 2)], {}, "custom[0].value: value must be inside range [0, 1]"),
    ],
)
def test_refusals(parameters: list[tuple[int, int]], named: dict[str, int], expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compiled(*parameters, **named)
    assert str(refused.value) == expected
