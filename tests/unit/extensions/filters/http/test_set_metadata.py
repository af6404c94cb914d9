"""Metadata that a filter leaves, and what becomes of values that are there already."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.extensions.filters.http.set_metadata import merged
from tests.support.engine import get
from tests.support.http_filters import engine_with, http_filter

CONFIG = "envoy.extensions.filters.http.set_metadata.v3.Config"


@pytest.mark.parametrize(
    ("content", "metadata", "denied"),
    [
        ({"metadata": [{"metadata_namespace": "a", "value": {"x": 1}}]}, {"a": {"x": 1}}, 0),
        ({"metadata_namespace": "a", "value": {"x": 1}}, {"a": {"x": 1}}, 0),
        ({"metadata": [{"metadata_namespace": "a", "value": {"x": each}} for each in (1, 2)]}, {"a": {"x": 1}}, 1),
        (
            {"metadata": [{"metadata_namespace": "a", "allow_overwrite": True, "value": {"x": [each]}} for each in (1, 2)]},
            {"a": {"x": [1, 2]}},
            0,
        ),
        ({}, None, 0),
    ],
)
def test_what_is_left(content: dict[str, Any], metadata: dict[str, object] | None, denied: int) -> None:
    engine = engine_with(http_filter(CONFIG, content))
    client = engine.connect()
    client.send(get())
    engine.up.last.respond()
    assert engine.log.last.dynamic_metadata == metadata
    assert engine.counter("http.test.set_metadata.overwrite_denied") == denied


@pytest.mark.parametrize(
    ("before", "update", "after"),
    [
        ({"a": {"x": 1, "y": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}),
        ({"a": [1]}, {"a": [1]}, {"a": [1, 1]}),
        ({"a": [1]}, {"a": {"x": 1}}, {"a": {"x": 1}}),
        ({"a": 1}, {"a": None, "b": 2}, {"a": None, "b": 2}),
    ],
)
def test_merging(before: dict[str, object], update: dict[str, object], after: dict[str, object]) -> None:
    assert merged(before, update) == after
