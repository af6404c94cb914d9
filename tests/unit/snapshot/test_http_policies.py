"""Which of a cluster's and a route's policies count."""

from __future__ import annotations

import pytest

from dataplane.resilience.retry import RetryPolicy
from dataplane.semantics.header_map import ResponseHeaders
from dataplane.snapshot.http_policies import HttpPolicies

OWN = RetryPolicy(retry_on=1, num_retries=5)


def test_the_clusters_retry_policy_hides_the_routes() -> None:
    of_route = RetryPolicy(retry_on=2, num_retries=1)
    assert HttpPolicies(retry=OWN).retry_policy(of_route) is OWN
    assert HttpPolicies(retry=OWN).retry_policy(None) is OWN
    assert HttpPolicies().retry_policy(of_route) is of_route
    assert HttpPolicies().retry_policy(None) is None


def test_the_times_of_one_try_remain_the_routes() -> None:
    found = HttpPolicies(retry=OWN).retry_policy(RetryPolicy(retry_on=2, per_try_timeout=1.5))
    assert found is not None
    assert (found.retry_on, found.num_retries, found.per_try_timeout) == (1, 5, 1.5)


@pytest.mark.parametrize(
    ("error", "status", "expected"), [(True, 200, 500), (True, 503, 503), (False, 503, 200), (None, 503, 503), (None, 204, 204)]
)
def test_what_outlier_detection_sees(error: bool | None, status: int, expected: int) -> None:
    policies = HttpPolicies(is_error=None if error is None else lambda _: bool(error))
    assert policies.judged_status(ResponseHeaders(status), status) == expected
