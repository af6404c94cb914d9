"""The policies in a cluster's HttpProtocolOptions → snapshot.http_policies.

Here: which there are.  Not here: what they say (compile.retry_policy, hash_policy, mirror: routes have the same), protocols (upstream_http).
Envoy: extensions.upstreams.http.v3.HttpProtocolOptions.
"""

from __future__ import annotations

from dataclasses import replace

from envoy.config.cluster.v3.cluster_pb2 import Cluster as ClusterMessage
from envoy.extensions.upstreams.http.v3.http_protocol_options_pb2 import HttpProtocolOptions as HttpMessage

from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.hash_policy import compile_hash_policies
from dataplane.compile.mirror import compile_mirrors
from dataplane.compile.response_predicate import compile_response_predicate
from dataplane.compile.retry_policy import compile_retry_policy
from dataplane.compile.support import supports
from dataplane.compile.upstream_http import http_extension
from dataplane.snapshot.http_policies import HttpPolicies

supports(HttpMessage, "retry_policy", "hash_policy", "request_mirror_policies", "outlier_detection")
supports(HttpMessage.OutlierDetection, "error_matcher")

_NONE = HttpPolicies()


def compile_http_policies(cluster: ClusterMessage, at: FieldPath, context: CompileContext) -> HttpPolicies | None:
    """None where there are none."""
    message, at = http_extension(cluster, at)
    if message is None:
        return None
    policies = HttpPolicies(
        hash_policies=compile_hash_policies(message.hash_policy, at / "hash_policy"),
        mirrors=compile_mirrors(message.request_mirror_policies, at / "request_mirror_policies", context),
    )
    if message.HasField("retry_policy"):
        retry = compile_retry_policy(message.retry_policy, at / "retry_policy", context)
        # As Envoy: only routes say how long one try may take.
        policies = replace(policies, retry=replace(retry, per_try_timeout=0.0, per_try_idle_timeout=0.0))
    if message.HasField("outlier_detection"):
        at = at / "outlier_detection" / "error_matcher"
        policies = replace(policies, is_error=compile_response_predicate(message.outlier_detection.error_matcher, at))
    return None if policies == _NONE else policies
