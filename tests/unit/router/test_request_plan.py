"""What a request that asks for nothing gets, and who holds on to it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from dataplane.resilience.retry import RetryPolicy
from dataplane.router.request_plan import take_wishes
from dataplane.routing.route import ForwardAction
from dataplane.semantics.header_map import RequestHeaders
from tests.support.collector import no_collector


@dataclass(frozen=True, eq=False)
class _Policy(RetryPolicy):
    """One that can be waited for."""


def request() -> RequestHeaders:
    return RequestHeaders(b"GET", b"/", b"a.test")


def test_requests_of_one_action_that_ask_for_nothing_share_what_they_get() -> None:
    action = ForwardAction("c", timeout=3.0, retry_policy=RetryPolicy(retry_on=1, per_try_timeout=1.0))
    first, second = take_wishes(action, request(), False), take_wishes(action, request(), False)
    assert first is second
    assert (first.policy, first.times) == (action.retry_policy, (3.0, 1.0, 1000, 0.0))


def test_nothing_of_an_earlier_revision_is_kept() -> None:
    with no_collector():
        policy = _Policy(retry_on=1)
        action = ForwardAction("c", retry_policy=policy)
        take_wishes(action, request(), False)
        gone = weakref.ref(policy)
        del action, policy
        assert gone() is None
