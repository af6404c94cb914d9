"""request_mirror_policies of routes and the levels above them."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.routing.header_mutations import HeaderRemoval
from dataplane.routing.mirror import MirrorPolicy
from dataplane.routing.route import ForwardAction, HeaderAddition
from tests.support.compiling import errors, message, route_configuration, virtual_host

ROUTE_CONFIGURATION = "envoy.config.route.v3.RouteConfiguration"


def policies(route: Any = (), host: Any = (), config: Any = ()) -> tuple[MirrorPolicy, ...]:
    """Each argument: the policies of that level."""
    entry = {"match": {"prefix": "/"}, "route": {"cluster": "c", "request_mirror_policies": list(route)}}
    hosts = [virtual_host(entry, request_mirror_policies=list(host))]
    (found,) = route_configuration({"virtual_hosts": hosts, "request_mirror_policies": list(config)}).virtual_hosts
    action = found.routes[0].action
    assert isinstance(action, ForwardAction)
    return action.mirrors


def test_defaults() -> None:
    assert policies() == ()
    assert policies([{"cluster": "m"}]) == (MirrorPolicy("m"),)
    assert policies([{"cluster_header": "X-To"}]) == (MirrorPolicy(cluster_header=b"x-to"),)


def test_the_nearest_level_that_has_any_counts() -> None:
    route, host, config = ([{"cluster": name}] for name in ("route", "host", "config"))
    assert policies(route, host, config) == (MirrorPolicy("route"),)
    assert policies([], host, config) == (MirrorPolicy("host"),)
    assert policies([], [], config) == (MirrorPolicy("config"),)


def test_everything() -> None:
    (policy,) = policies(
        [
            {
                "cluster": "m",
                "runtime_fraction": {"default_value": {"numerator": 5, "denominator": "TEN_THOUSAND"}},
                "trace_sampled": True,
                "disable_shadow_host_suffix_append": True,
                "host_rewrite_literal": "m.test",
                "request_headers_mutations": [
                    {"remove": "X-Gone"},
                    {"append": {"header": {"key": "X-New", "value": "1"}, "append_action": "ADD_IF_ABSENT"}},
                    {"remove_on_match": {"key_matcher": {"prefix": "x-"}}},
                ],
            }
        ]
    )
    assert (policy.fraction, policy.appends_suffix, policy.host) == ((5, 10_000), False, b"m.test")
    gone, new, matching = policy.edits
    assert new == HeaderAddition(b"x-new", b"1", 1)
    assert isinstance(gone, HeaderRemoval)
    assert isinstance(matching, HeaderRemoval)
    assert [bool(gone.matches(name)) for name in (b"x-gone", b"x-other")] == [True, False]
    assert [bool(matching.matches(name)) for name in (b"x-gone", b"y-other")] == [True, False]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, "Exactly one of cluster or cluster_header in request mirror policy need to be specified"),
        ({"cluster": "a", "cluster_header": "b"}, "Only one of cluster 'a' or cluster_header 'b' in request mirror policy"),
        ({"cluster": "a", "request_headers_mutations": [{}]}, "request_headers_mutations[0].action: is required"),
        ({"cluster": "a", "request_headers_mutations": [{"append": {"header": {"key": "host"}}}]}, "may not be modified"),
    ],
)
def test_errors(policy: dict[str, Any], expected: str) -> None:
    entry = {"match": {"prefix": "/"}, "route": {"cluster": "c", "request_mirror_policies": [policy]}}
    found = errors(message(ROUTE_CONFIGURATION, {"name": "r", "virtual_hosts": [virtual_host(entry)]}))
    assert any(expected in each for each in found)
