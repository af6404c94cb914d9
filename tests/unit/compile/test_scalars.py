"""Scalars: what Envoy takes for a field of each type, as its verdict on small bootstraps showed."""

from __future__ import annotations

import math

import pytest
from envoy.config.cluster.v3.cluster_pb2 import Cluster

from dataplane.compile.scalars import UnknownEnumName, boolean, enum, floating, integer, octets, string
from dataplane.compile.tree import Content, Value

UINT32 = integer(0, 2**32 - 1)
LB_POLICY = enum(Cluster.DESCRIPTOR.fields_by_name["lb_policy"].enum_type)  # type: ignore[arg-type]  # an enum field


@pytest.mark.parametrize(
    ("content", "number"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        ("5.0", 5),
        ("1e3", 1000),
        ("50e-1", 5),
        ("0x10", 16),
        ("+5", 5),
        ("0005", 5),
        ("4294967295.0", 2**32 - 1),
    ],
)
def test_integers(content: Content, number: int) -> None:
    assert UINT32(content) == number


@pytest.mark.parametrize(
    "content",
    [
        -1,
        2**32,
        "-1",
        "4294967296",
        "5.5",
        5.5,
        "5e-1",
        " 5",
        "5 ",
        "",
        "1_0",
        "abc",
        "Infinity",
        math.nan,
        math.inf,
        True,
        [Value(5)],
        {},
        None,
    ],
)
def test_no_integers(content: Content) -> None:
    with pytest.raises(ValueError, match=r"expected an integer|out of range"):
        UINT32(content)


@pytest.mark.parametrize(
    ("content", "number"),
    [(5, 5.0), ("5", 5.0), (".5", 0.5), ("5.", 5.0), ("1e1", 10.0), ("0x10", 16.0), ("-Infinity", -math.inf)],
)
def test_floats(content: Content, number: float) -> None:
    assert floating(content) == number


def test_not_a_number_is_a_float() -> None:
    assert math.isnan(floating("NaN"))


@pytest.mark.parametrize("content", ["abc", "", "1 ", True, None, [], 10**400])
def test_no_floats(content: Content) -> None:
    with pytest.raises(ValueError, match=r"expected a number|too large"):
        floating(content)


@pytest.mark.parametrize(
    ("content", "meaning"), [(True, True), ("true", True), ("yes", True), ("True", True), ("1", True), ("n", False), ("0", False)]
)
def test_booleans(content: Content, meaning: bool) -> None:
    assert boolean(content) is meaning


@pytest.mark.parametrize("content", [1, 0, "maybe", "", None, [Value(True)]])
def test_no_booleans(content: Content) -> None:
    with pytest.raises(ValueError, match="expected true or false"):
        boolean(content)


def test_numbers_are_no_strings() -> None:
    assert string("5") == "5"
    with pytest.raises(ValueError, match="expected a string, got the number 5; put it into quotes"):
        string(5)
    with pytest.raises(ValueError, match="expected a string, got the boolean false; put it into quotes"):
        string(False)
    with pytest.raises(ValueError, match=r"expected a string, got a list$"):
        string([])


@pytest.mark.parametrize("content", ["+/8=", "-_8=", "-_8", "+/8"])
def test_bytes_are_base64_of_either_alphabet(content: str) -> None:
    assert octets(content) == b"\xfb\xff"


@pytest.mark.parametrize("content", ["a", "ä", "a b", 5])
def test_no_bytes(content: Content) -> None:
    with pytest.raises(ValueError, match=r"not base64|expected a string"):
        octets(content)


@pytest.mark.parametrize("content", ["LEAST_REQUEST", "least_request", "Least_Request", 1, "1", 1.0])
def test_enums(content: Content) -> None:
    assert LB_POLICY(content) == Cluster.LEAST_REQUEST


def test_enum_numbers_need_no_name() -> None:
    assert LB_POLICY(99) == 99
    assert LB_POLICY(-1) == -1


@pytest.mark.parametrize("content", ["ROUNDROBIN", "least-request", "leastRequest", "", "1.0"])
def test_unknown_enum_names(content: Content) -> None:
    with pytest.raises(UnknownEnumName, match="is none of ROUND_ROBIN"):
        LB_POLICY(content)


@pytest.mark.parametrize("content", [True, None, 2**31, [Value(1)]])
def test_no_enums(content: Content) -> None:
    with pytest.raises(ValueError, match=r"expected an integer|out of range"):
        LB_POLICY(content)
