"""Which stats a StatsMatcher keeps."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.base.errors import FieldPath
from dataplane.compile.stats_matcher import compile_stats_matcher
from tests.support.compiling import message

NAMES = ("cluster.a.upstream_rq", "server.live", "http.in.rq")


def kept(content: dict[str, Any]) -> list[str]:
    rejects = compile_stats_matcher(message("envoy.config.metrics.v3.StatsMatcher", content), FieldPath())
    return [name for name in NAMES if rejects is None or not rejects(name)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, list(NAMES)),
        ({"reject_all": False}, list(NAMES)),
        ({"reject_all": True}, []),
        ({"inclusion_list": {"patterns": [{"prefix": "cluster."}, {"suffix": ".rq"}]}}, ["cluster.a.upstream_rq", "http.in.rq"]),
        ({"exclusion_list": {"patterns": [{"prefix": "cluster."}, {"suffix": ".rq"}]}}, ["server.live"]),
        (
            {"inclusion_list": {"patterns": [{"safe_regex": {"regex": "cluster\\.[^.]*\\.upstream_rq"}}]}},
            ["cluster.a.upstream_rq"],
        ),
        ({"inclusion_list": {"patterns": [{"safe_regex": {"regex": "cluster"}}]}}, []),
    ],
)
def test_the_whole_name_counts(content: dict[str, Any], expected: list[str]) -> None:
    assert kept(content) == expected
