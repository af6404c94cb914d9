"""What a cluster's HttpProtocolOptions say about requests."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.resilience.retry import parse_retry_on
from dataplane.routing.mirror import MirrorPolicy
from dataplane.semantics.header_map import ResponseHeaders
from dataplane.snapshot.cluster import Cluster
from dataplane.snapshot.http_policies import HttpPolicies
from tests.support.compiling import compiled, errors, message

NAME = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
AT = f"typed_extension_protocol_options.{NAME}"


def document(fields: dict[str, Any]) -> dict[str, Any]:
    options = {"@type": f"type.googleapis.com/{NAME}", "explicit_http_config": {"http_protocol_options": {}}, **fields}
    return {"name": "z", "typed_extension_protocol_options": {NAME: options}}


def policies(**fields: Any) -> HttpPolicies | None:
    made = compiled(message("envoy.config.cluster.v3.Cluster", document(fields)))
    assert isinstance(made, Cluster)
    return made.http_policies


def problems(**fields: Any) -> list[str]:
    return errors(message("envoy.config.cluster.v3.Cluster", document(fields)))


def with_headers(*names: str) -> dict[str, Any]:
    return {"http_response_headers_match": {"headers": [{"name": name} for name in names]}}


def test_none() -> None:
    assert policies() is None


def test_retry_policy_without_times_of_a_try() -> None:
    made = policies(retry_policy={"retry_on": "5xx", "num_retries": 4, "per_try_timeout": "1s"})
    assert made is not None
    assert made.retry is not None
    assert (made.retry.retry_on, made.retry.num_retries, made.retry.per_try_timeout) == (parse_retry_on("5xx"), 4, 0.0)


def test_an_empty_retry_policy_is_one() -> None:
    made = policies(retry_policy={})
    assert made is not None
    assert made.retry is not None
    assert made.retry.retry_on == 0


def test_mirrors_and_hashes() -> None:
    made = policies(
        request_mirror_policies=[{"cluster": "m"}], hash_policy=[{"header": {"header_name": "x-a"}, "terminal": True}]
    )
    assert made is not None
    assert made.mirrors == (MirrorPolicy("m"),)
    assert [each.terminal for each in made.hash_policies] == [True]


@pytest.mark.parametrize(
    ("matcher", "present", "expected"),
    [
        ({"any_match": True}, (), True),
        (with_headers("x-a"), ("x-a",), True),
        (with_headers("x-a"), ("x-b",), False),
        (with_headers("x-a", "x-b"), ("x-a",), False),
        ({"not_match": with_headers("x-a")}, ("x-a",), False),
        ({"not_match": with_headers("x-a")}, (), True),
        ({"or_match": {"rules": [with_headers("x-a"), with_headers("x-b")]}}, ("x-b",), True),
        ({"or_match": {"rules": [with_headers("x-a"), with_headers("x-b")]}}, ("x-c",), False),
        ({"and_match": {"rules": [with_headers("x-a"), with_headers("x-b")]}}, ("x-a", "x-b"), True),
        ({"and_match": {"rules": [with_headers("x-a"), with_headers("x-b")]}}, ("x-b",), False),
    ],
)
def test_error_matcher(matcher: dict[str, Any], present: tuple[str, ...], expected: bool) -> None:
    made = policies(outlier_detection={"error_matcher": matcher})
    assert made is not None
    assert made.is_error is not None
    assert made.is_error(ResponseHeaders(200, [(name.encode(), b"1") for name in present])) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"retry_policy": {"retry_back_off": {"base_interval": "1s", "max_interval": "0.5s"}}},
            "retry_policy.retry_back_off.max_interval: retry_policy.max_interval must greater than or equal to the base_interval",
        ),
        (
            {"request_mirror_policies": [{"cluster": "a", "cluster_header": "b"}]},
            "request_mirror_policies[0]: Only one of cluster 'a' or cluster_header 'b' in request mirror policy can be specified",
        ),
        ({"outlier_detection": {}}, "outlier_detection.error_matcher: value is required"),
        (
            {"outlier_detection": {"error_matcher": {"or_match": {"rules": [{"any_match": True}]}}}},
            "outlier_detection.error_matcher.or_match.rules: value must contain at least 2 item(s)",
        ),
        (
            {"outlier_detection": {"error_matcher": {"http_request_headers_match": {"headers": [{"name": "x-a"}]}}}},
            "outlier_detection.error_matcher.http_request_headers_match: is not supported by this version",
        ),
    ],
)
def test_refusals(fields: dict[str, Any], expected: str) -> None:
    assert problems(**fields) == [f"{AT}.{expected}"]
