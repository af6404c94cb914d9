"""Where retries go: host predicates and priorities."""

from __future__ import annotations

from typing import Any

import pytest

from dataplane.resilience.retry import RetryPolicy
from dataplane.routing.route import ForwardAction
from tests.support.compiling import one_route
from tests.support.engine import FakeHost

HOSTS = "type.googleapis.com/envoy.extensions.retry.host"
PRIORITIES = "type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"


def policy(**fields: Any) -> RetryPolicy:
    action = one_route({"prefix": "/"}, route={"cluster": "c", "retry_policy": {"retry_on": "5xx", **fields}}).action
    assert isinstance(action, ForwardAction)
    assert isinstance(action.retry_policy, RetryPolicy)
    return action.retry_policy


def avoiding(name: str, **config: Any) -> RetryPolicy:
    return policy(retry_host_predicate=[{"name": "x", "typed_config": {"@type": f"{HOSTS}.{name}", **config}}])


def test_retries_are_not_choosy_unless_told() -> None:
    assert not policy().is_choosy


def test_canaries() -> None:
    made = avoiding("omit_canary_hosts.v3.OmitCanaryHostsPredicate")
    assert made.is_choosy
    (avoids,) = made.avoids
    assert [avoids(FakeHost(canary=canary)) for canary in (True, False)] == [True, False]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"envoy.lb": {"kind": "bad", "size": 1, "more": True}}, True),
        ({"envoy.lb": {"kind": ["good", "bad"], "size": 1}}, True),
        ({"envoy.lb": {"kind": "good", "size": 1}}, False),
        ({"envoy.lb": {"kind": "bad"}}, False),
        ({"other": {"kind": "bad", "size": 1}}, False),
        ({}, False),
    ],
)
def test_metadata(metadata: dict[str, object], expected: bool) -> None:
    wanted = {"filter_metadata": {"envoy.lb": {"kind": "bad", "size": 1}}}
    (avoids,) = avoiding("omit_host_metadata.v3.OmitHostMetadataConfig", metadata_match=wanted).avoids
    assert avoids(FakeHost(metadata=metadata)) is expected


def test_priorities() -> None:
    made = policy(retry_priority={"name": "x", "typed_config": {"@type": PRIORITIES, "update_frequency": 2}})
    assert (made.priority_update_frequency, made.is_choosy) == (2, True)
