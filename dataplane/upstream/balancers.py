"""From a cluster's configuration to its load balancing policy.  Here: names; the policies themselves are in balancing."""

from __future__ import annotations

from dataplane.balancing import policies
from dataplane.balancing.balancer import BalancerSettings
from dataplane.balancing.policies import Chance, PickerMaker
from dataplane.snapshot.cluster import Cluster, LeastRequest
from dataplane.upstream.host import UpstreamHost


def policy(cluster: Cluster, chance: Chance) -> PickerMaker[UpstreamHost]:
    """The policy that *cluster* names.  Compile has refused the names that are not here."""
    if cluster.lb_policy == "LEAST_REQUEST":
        config = cluster.lb_config if isinstance(cluster.lb_config, LeastRequest) else LeastRequest()
        return policies.least_request(chance, config.choice_count, config.active_request_bias)
    if cluster.lb_policy == "RANDOM":
        return policies.random(chance)
    assert cluster.lb_policy == "ROUND_ROBIN", cluster.lb_policy
    return policies.round_robin(chance)


def settings(cluster: Cluster) -> BalancerSettings:
    return BalancerSettings(round(cluster.panic_threshold * 100), cluster.locality_weighted, cluster.fail_traffic_on_panic)
