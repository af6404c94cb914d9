"""Durations, percentages, wrappers and metadata in our units."""

from __future__ import annotations

import json
from typing import Any

import pytest
from envoy.config.core.v3.base_pb2 import Metadata
from envoy.type.v3.percent_pb2 import FractionalPercent
from google.protobuf.duration_pb2 import Duration

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.units import fraction, metadata_dict, parts_of, runtime_count, seconds

AT = FieldPath("Test")


@pytest.mark.parametrize(
    ("duration", "expected"), [(Duration(), 0.0), (Duration(seconds=3), 3.0), (Duration(nanos=500_000_000), 0.5)]
)
def test_seconds(duration: Duration, expected: float) -> None:
    assert seconds(duration, AT) == expected


@pytest.mark.parametrize(
    ("duration", "reason"),
    [
        (Duration(seconds=-1), "Expected positive duration"),
        (Duration(nanos=-1), "Expected positive duration"),
        (Duration(seconds=-(2**63)), "Expected positive duration"),
        (Duration(seconds=2**62), "out-of-range"),
        (Duration(nanos=2**31 - 1), "out-of-range"),
    ],
)
def test_durations_out_of_range(duration: Duration, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        seconds(duration, AT)


def test_fractions() -> None:
    assert parts_of(FractionalPercent(numerator=5, denominator=FractionalPercent.MILLION), AT) == (5, 1_000_000)
    assert fraction(FractionalPercent(numerator=25), AT) == 0.25
    assert fraction(FractionalPercent(numerator=150), AT) == 1.0
    undefined: Any = 7
    with pytest.raises(ConfigError, match="undefined value 7"):
        parts_of(FractionalPercent(denominator=undefined), AT)


def test_whole_numbers_of_metadata_print_without_a_fraction() -> None:
    made = Metadata()
    made.filter_metadata["n"].update({"whole": 5, "part": 0.5, "huge": 1e300, "t": "x", "no": None, "l": [True]})
    found = metadata_dict(made)["n"]
    assert found == {"whole": 5, "part": 0.5, "huge": 1e300, "t": "x", "no": None, "l": [True]}
    assert isinstance(found, dict)
    assert json.dumps(found["whole"]) == "5"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (3.0, 3),
        (0, 0),
        (1.9, 1),
        ("7", 7),
        ("none", None),
        ("nan", None),
        ("inf", None),
        (-1.0, None),
        (True, None),
        ({"numerator": 1}, None),
        (2.0**64, None),
    ],
)
def test_a_limit_of_the_runtime_is_a_number_from_zero(stated: object, expected: int | None) -> None:
    assert runtime_count("a", {"a": stated}) == expected
    assert runtime_count("b", {"a": stated}) is None
