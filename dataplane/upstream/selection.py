"""Choosing a host for a request that has wishes: retries that avoid hosts or priorities.

Not here: the wishes themselves (router.retries), pickers (balancing).
Envoy: LoadBalancerContext; LoadBalancerBase::chooseHost.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.api.upstream import BalancingContext
    from dataplane.balancing.by_priority import ByPriority
    from dataplane.balancing.policies import Picker
    from dataplane.upstream.host import UpstreamHost


def pick_wanted(
    context: BalancingContext, pick: Picker[UpstreamHost], single_priorities: Callable[[], ByPriority[UpstreamHost]]
) -> UpstreamHost | None:
    """Pick again while the request does not want the host, but not for ever: an unwanted host is better than none.

    pick: the cluster's picker.  single_priorities: what serves a request with its own loads by priority.
    """
    loads = context.priority_loads(lambda: single_priorities().availability)
    if loads is not None:
        pick = partial(single_priorities().pick, loads)
    picked = pick(context)
    for _ in range(context.selection_attempts()):
        if picked is None or not context.excluded(picked):
            break
        picked = pick(context)
    return picked
