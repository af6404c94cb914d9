"""RouteAction → ForwardAction: to which cluster, changed how, within which time.

Not here: what each decision means at run time (routing.actions, routing.rewrite, resilience.retry).  Envoy: config.route.v3.RouteAction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from envoy.config.route.v3.route_components_pb2 import RouteAction, WeightedCluster

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.hash_policy import compile_hash_policies
from dataplane.compile.header_mutations import compile_mutations
from dataplane.compile.matcher import compile_substitution
from dataplane.compile.mirror import compile_mirrors
from dataplane.compile.per_filter_config import compile_per_filter_config
from dataplane.compile.proxy_protocol import compile_header_only
from dataplane.compile.retry_policy import compile_retry_policy
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import metadata_dict, optional_milliseconds, optional_seconds, seconds_or, wrapped
from dataplane.matching.criteria import Criteria, criteria_of
from dataplane.matching.path import PathSpecifier
from dataplane.resilience.retry import RetryPolicy
from dataplane.routing import route as values
from dataplane.routing.mirror import MirrorPolicy
from dataplane.routing.rewrite import replace_prefix
from dataplane.routing.route import ForwardAction
from dataplane.routing.stream_duration import GrpcTimeout, StreamDuration

supports(
    RouteAction,
    "cluster",
    "cluster_header",
    "weighted_clusters",
    "cluster_not_found_response_code",
    "prefix_rewrite",
    "regex_rewrite",
    "host_rewrite_literal",
    "auto_host_rewrite",
    "host_rewrite_header",
    "host_rewrite_path_regex",
    "append_x_forwarded_host",
    "timeout",
    "idle_timeout",
    "retry_policy",
    "request_mirror_policies",
    "priority",
    "max_stream_duration",
    "max_grpc_timeout",
    "grpc_timeout_offset",
    "upgrade_configs",
    "hash_policy",
    "metadata_match",
)
supports(RouteAction.UpgradeConfig, "upgrade_type", "enabled", "connect_config")
supports(RouteAction.UpgradeConfig.ConnectConfig, "proxy_protocol_config", "allow_post")
ignores(
    RouteAction,
    "rate_limits",
    "include_vh_rate_limits",
    because="rate limit filters read them, and those are refused; without one Envoy ignores them, too",
)
supports(RouteAction.MaxStreamDuration, "max_stream_duration", "grpc_timeout_header_max", "grpc_timeout_header_offset")
supports(WeightedCluster, "clusters", "header_name", "runtime_key_prefix")
ignores(WeightedCluster, "total_weight", because="deprecated; Envoy adds up the weights itself")
supports(
    WeightedCluster.ClusterWeight,
    "name",
    "cluster_header",
    "weight",
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
    "typed_per_filter_config",
    "host_rewrite_literal",
    "metadata_match",
)

_NOT_FOUND_STATUS: Final = {
    RouteAction.SERVICE_UNAVAILABLE: 503,
    RouteAction.NOT_FOUND: 404,
    RouteAction.INTERNAL_SERVER_ERROR: 500,
}
_MAX_TOTAL_WEIGHT: Final = (1 << 32) - 1


def compile_forward(
    message: RouteAction,
    path: PathSpecifier,
    default_retry: RetryPolicy | None,
    default_mirrors: tuple[MirrorPolicy, ...],
    inherited_filters: Mapping[str, object],
    at: FieldPath,
    context: CompileContext,
) -> ForwardAction:
    """default_retry, default_mirrors: of the levels above the route.

    inherited_filters: per-filter configuration of the route and the levels above it.
    """
    retry = default_retry
    if message.HasField("retry_policy"):
        retry = compile_retry_policy(message.retry_policy, at / "retry_policy", context)
    return ForwardAction(
        **_cluster_specifier(message, inherited_filters, at, context),
        **_host_rewrite(message, at),
        **_times(message, at),
        cluster_not_found_status=_not_found_status(message, at),
        rewrite_path=_path_rewrite(message, path, at),
        append_x_forwarded_host=message.append_x_forwarded_host,
        retry_policy=retry,
        priority=message.priority,
        mirrors=compile_mirrors(message.request_mirror_policies, at / "request_mirror_policies", context) or default_mirrors,
        hash_policies=compile_hash_policies(message.hash_policy, at / "hash_policy"),
        metadata_match=criteria_of(metadata_dict(message.metadata_match)),
        upgrades=_upgrades(message, at / "upgrade_configs"),
        connect=_connect(message, at / "upgrade_configs"),
    )


def _upgrades(message: RouteAction, at: FieldPath) -> tuple[tuple[bytes, bool], ...]:
    found: dict[bytes, bool] = {}
    for index, each in enumerate(message.upgrade_configs):
        upgrade_type = each.upgrade_type.lower().encode()
        if upgrade_type in found:
            raise ConfigError(at / index / "upgrade_type", f"Redundant upgrade {each.upgrade_type}")
        if each.HasField("connect_config") and upgrade_type != b"connect":
            raise ConfigError(at / index / "connect_config", f"Non-CONNECT upgrade type {each.upgrade_type} has ConnectConfig")
        found[upgrade_type] = wrapped(each, "enabled", True)
    return tuple(found.items())


def _connect(message: RouteAction, at: FieldPath) -> values.ConnectConfig | None:
    for index, each in enumerate(message.upgrade_configs):
        if each.HasField("connect_config"):
            config, at = each.connect_config, at / index / "connect_config"
            version = 0
            if config.HasField("proxy_protocol_config"):
                version = compile_header_only(config.proxy_protocol_config, at / "proxy_protocol_config")
            return values.ConnectConfig(version, config.allow_post)
    return None


def _cluster_specifier(
    message: RouteAction, inherited: Mapping[str, object], at: FieldPath, context: CompileContext
) -> dict[str, Any]:
    kind = message.WhichOneof("cluster_specifier")
    match kind:
        case "cluster":
            return {"cluster": message.cluster}
        case "cluster_header":
            return {"cluster_header": message.cluster_header.lower().encode()}
        case "weighted_clusters":
            wanted = criteria_of(metadata_dict(message.metadata_match))
            return _weighted(message.weighted_clusters, wanted, inherited, at / "weighted_clusters", context)
        case None:
            raise ConfigError(at / "cluster_specifier", "is required")
    raise ConfigError(at / kind, "not supported")


def _weighted(
    message: WeightedCluster, wanted: Criteria | None, inherited: Mapping[str, object], at: FieldPath, context: CompileContext
) -> dict[str, Any]:
    if message.WhichOneof("random_value_specifier") == "use_hash_policy":
        raise ConfigError(at / "use_hash_policy", "not supported")
    choices = []
    for index, choice in enumerate(message.clusters):
        with context.problems.collect():
            weight = _weight(choice, message.runtime_key_prefix, context)
            choices.append(_choice(choice, weight, wanted, inherited, at / "clusters" / index, context))
    total = sum(_weight(choice, message.runtime_key_prefix, context) for choice in message.clusters)
    if total == 0:
        raise ConfigError(at, "Sum of weights in the weighted_cluster must be greater than 0.")
    if total > _MAX_TOTAL_WEIGHT:
        raise ConfigError(at, f"The sum of weights of all weighted clusters of route exceeds {_MAX_TOTAL_WEIGHT}")
    return {
        "weighted_clusters": tuple(choices),
        "total_weight": total,
        "weight_header": message.header_name.lower().encode(),
    }


def _weight(choice: WeightedCluster.ClusterWeight, runtime_key_prefix: str, context: CompileContext) -> int:
    """The weight, or what a runtime layer says instead under `<prefix>.<cluster>`."""
    override = context.runtime.get(f"{runtime_key_prefix}.{choice.name}") if runtime_key_prefix else None
    known = isinstance(override, int | float) and not isinstance(override, bool)
    return int(override) if known else choice.weight.value  # type: ignore[call-overload,no-any-return]  # known says it is a number


def _choice(
    message: WeightedCluster.ClusterWeight,
    weight: int,
    wanted: Criteria | None,
    inherited: Mapping[str, object],
    at: FieldPath,
    context: CompileContext,
) -> values.WeightedCluster:
    if message.name and message.cluster_header:
        raise ConfigError(at, "Only one of name or cluster_header can be specified")
    if not message.name and not message.cluster_header:
        raise ConfigError(at, "At least one of name or cluster_header need to be specified")
    own = criteria_of(metadata_dict(message.metadata_match))
    return values.WeightedCluster(
        name=message.name,
        weight=weight,
        cluster_header=message.cluster_header.lower().encode(),
        mutations=compile_mutations(message, at, context),
        host_rewrite=message.host_rewrite_literal.encode(),
        metadata_match=wanted if own is None else own if wanted is None else wanted.merged(own.values),
        per_filter_config=compile_per_filter_config(
            message.typed_per_filter_config, inherited, at / "typed_per_filter_config", context
        ),
    )


def _path_rewrite(message: RouteAction, path: PathSpecifier, at: FieldPath) -> Callable[[bytes], bytes] | None:
    if message.prefix_rewrite and message.HasField("regex_rewrite"):
        raise ConfigError(at, "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy")
    if message.HasField("regex_rewrite"):
        return compile_substitution(message.regex_rewrite, at / "regex_rewrite")
    if message.prefix_rewrite:
        return replace_prefix(message.prefix_rewrite.encode(), path.matched_length)
    return None


def _host_rewrite(message: RouteAction, at: FieldPath) -> dict[str, Any]:
    match message.WhichOneof("host_rewrite_specifier"):
        case "host_rewrite_literal":
            return {"host_rewrite": message.host_rewrite_literal.encode()}
        case "auto_host_rewrite":
            return {"auto_host_rewrite": message.auto_host_rewrite.value}
        case "host_rewrite_header":
            return {"host_rewrite_header": message.host_rewrite_header.lower().encode()}
        case "host_rewrite_path_regex":
            at = at / "host_rewrite_path_regex"
            return {"host_rewrite_path_regex": compile_substitution(message.host_rewrite_path_regex, at)}
        case None:
            return {}
        case kind:
            raise ConfigError(at / kind, "not supported")


def _times(message: RouteAction, at: FieldPath) -> dict[str, Any]:
    """With max_stream_duration the older limits do not apply at all, not even the default of 15 seconds."""
    times: dict[str, Any] = {
        "timeout": seconds_or(message, "timeout", 15.0, at),
        "idle_timeout": optional_seconds(message, "idle_timeout", at),
    }
    most, offset = (optional_milliseconds(message, field, at) for field in ("max_grpc_timeout", "grpc_timeout_offset"))
    if message.HasField("max_stream_duration"):
        times["timeout"] = 0.0
        times["max_stream_duration"] = _stream_duration(message.max_stream_duration, at / "max_stream_duration")
    elif most is not None:
        times["grpc_timeout"] = GrpcTimeout(most, offset or 0)
    return times


def _stream_duration(message: RouteAction.MaxStreamDuration, at: FieldPath) -> StreamDuration:
    return StreamDuration(
        duration_ms=optional_milliseconds(message, "max_stream_duration", at),
        grpc_max_ms=optional_milliseconds(message, "grpc_timeout_header_max", at),
        grpc_offset_ms=optional_milliseconds(message, "grpc_timeout_header_offset", at) or 0,
    )


def _not_found_status(message: RouteAction, at: FieldPath) -> int:
    status = _NOT_FOUND_STATUS.get(message.cluster_not_found_response_code)
    if status is None:
        raise ConfigError(at / "cluster_not_found_response_code", f"undefined value {message.cluster_not_found_response_code}")
    return status


def cluster_names(action: values.Action) -> list[tuple[str, str]]:
    """Every cluster that *action* names, with the word that Envoy's message for an unknown one uses before `cluster`."""
    if not isinstance(action, ForwardAction):
        return []
    named = [("", action.cluster)] if action.cluster else []
    named += [("weighted ", choice.name) for choice in action.weighted_clusters if choice.name]
    return named + [("shadow ", policy.cluster) for policy in action.mirrors if policy.cluster]
