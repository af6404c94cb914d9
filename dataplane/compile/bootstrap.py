"""Bootstrap → what the process needs to know once: who it is, its admin endpoint, runtime, statistics, where configuration comes from.

Here: everything of a bootstrap but its resources, which compile like discovered ones (compile.resource).
Not here: rules that look at the whole (bootstrap.rules).
Envoy: config.bootstrap.v3.Bootstrap.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.core.v3.address_pb2 import BindConfig
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from envoy.config.metrics.v3 import stats_pb2
from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog
from envoy.extensions.bootstrap.internal_listener.v3.internal_listener_pb2 import InternalListener
from envoy.type.v3.semantic_version_pb2 import SemanticVersion
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from xds.core.v3.context_params_pb2 import ContextParams

from dataplane.api.access_logger import AccessLogger
from dataplane.base.address import Address
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.base.version import BUILD_TYPE, ENVOY_VERSION, STATUS, TLS_LIBRARY, revision
from dataplane.compile.access_log import compile_access_log, compile_access_logs, open_log
from dataplane.compile.config_source import compile_api_config_source, compile_config_source
from dataplane.compile.context import CompileContext
from dataplane.compile.default_tags import DEFAULT_TAGS
from dataplane.compile.fields import address, type_name, unpack_typed
from dataplane.compile.overload import compile_overload
from dataplane.compile.source_address import compile_source_addresses
from dataplane.compile.stats_matcher import Rejects, compile_stats_matcher
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import seconds_or, wrapped
from dataplane.compile.watchdogs import compile_watchdogs
from dataplane.observe import names
from dataplane.observe.log_file import LogFile
from dataplane.snapshot.config_source import ApiConfigSource, ConfigSource
from dataplane.snapshot.overload import OverloadSettings
from dataplane.snapshot.watchdogs import WatchdogsSettings

Bootstrap = bootstrap_pb2.Bootstrap

supports(
    Bootstrap,
    "node",
    "static_resources",
    "dynamic_resources",
    "admin",
    "stats_config",
    "stats_flush_interval",
    "layered_runtime",
    "cluster_manager",
    "default_regex_engine",
    "bootstrap_extensions",
    "application_log_config",
    "stats_server_version_override",
    "overload_manager",
    "hds_config",
    "watchdog",
    "watchdogs",
)
ignores(Bootstrap, "enable_dispatcher_stats", because="the event loop is not libevent and has no such statistics")
ignores(Bootstrap, "deferred_stat_options", because="statistics are cheap to create and shown only where they were used")
ignores(
    Bootstrap,
    "inline_headers",
    because="they make look-ups in Envoy's header map faster; fields of one name stay apart: docs/differences.md",
)
ignores(Bootstrap, "flags_path", because="Envoy itself stopped reading it")
ignores(Bootstrap, "perf_tracing_file_path", because="only for builds with Perfetto")
ignores(Bootstrap, "memory_allocator_manager", because="the interpreter's allocator has no such release rate")
ignores(Bootstrap, "grpc_async_client_manager_config", because="gRPC clients are not cached per request")
supports(
    base_pb2.Node,
    "id",
    "cluster",
    "metadata",
    "dynamic_parameters",
    "locality",
    "user_agent_name",
    "user_agent_version",
    "user_agent_build_version",
    "extensions",
    "client_features",
    "listening_addresses",
)
supports(base_pb2.BuildVersion, "version", "metadata")
supports(base_pb2.Extension, "name", "category", "type_descriptor", "version", "disabled", "type_urls")
supports(SemanticVersion, "major_number", "minor_number", "patch")
supports(ContextParams, "params")
supports(Bootstrap.StaticResources, "listeners", "clusters", "secrets")
supports(Bootstrap.DynamicResources, "lds_config", "cds_config", "ads_config")
supports(Bootstrap.ApplicationLogConfig, "log_format")
supports(Bootstrap.ApplicationLogConfig.LogFormat, "text_format", "json_format")
supports(bootstrap_pb2.Admin, "address", "access_log", "access_log_path")
ignores(bootstrap_pb2.Admin, "profile_path", because="the CPU profiler of Envoy is its own")
ignores(bootstrap_pb2.Admin, "ignore_global_conn_limit", because="admin connections are never limited")
supports(bootstrap_pb2.ClusterManager, "load_stats_config", "outlier_detection", "upstream_bind_config")
supports(bootstrap_pb2.ClusterManager.OutlierDetection, "event_log_path")
ignores(bootstrap_pb2.ClusterManager, "enable_deferred_cluster_creation", because="pools are always created on first use")
ignores(
    bootstrap_pb2.ClusterManager,
    "local_cluster_name",
    because="zone-aware routing reads it, which there is none of: docs/differences.md",
)
supports(TypedExtensionConfig, "name", "typed_config")
supports(bootstrap_pb2.LayeredRuntime, "layers")
supports(bootstrap_pb2.RuntimeLayer, "name", "static_layer", "admin_layer")
supports(bootstrap_pb2.RuntimeLayer.AdminLayer)
supports(stats_pb2.StatsConfig, "stats_tags", "use_all_default_tags", "stats_matcher")
supports(stats_pb2.TagSpecifier, "tag_name", "regex", "fixed_value")


@dataclass(frozen=True, slots=True)
class BootstrapConfig:
    """node: serialized config.core.v3.Node as it is sent.

    runtime_layers: name and values of each, lowest first.  runtime: the values that count.
    log_pattern: of the process's log, "" where the command line decides.
    """

    node: bytes
    node_id: str
    node_cluster: str
    node_zone: str
    admin_address: Address | None
    stats_flush_interval: float
    tag_rules: tuple[names.TagRule, ...]
    fixed_tags: tuple[tuple[str, str], ...]
    runtime_layers: tuple[tuple[str, Mapping[str, object]], ...]
    runtime: Mapping[str, object]
    log_pattern: str
    server_version: int
    admin_access_loggers: tuple[AccessLogger, ...] = ()
    rejects_stat: Rejects | None = None
    connection_limit: int | None = None
    upstream_bind_config: BindConfig | None = None  # for clusters that say nothing else
    internal_buffer_size: int | None = None  # bytes that wait between us and an internal listener; None: there can be none
    overload: OverloadSettings | None = None
    watchdogs: WatchdogsSettings = field(default_factory=WatchdogsSettings)
    lds_config: ConfigSource | None = None
    cds_config: ConfigSource | None = None
    ads_config: ApiConfigSource | None = None
    hds_config: ApiConfigSource | None = None
    outlier_log: LogFile | None = None  # of ejections


def compile_bootstrap(message: bootstrap_pb2.Bootstrap, context: CompileContext) -> BootstrapConfig:
    """Errors go to the context; those of resources are not looked for."""
    at = FieldPath()
    problems = context.problems
    node = _node(message)
    admin_address: Address | None = None
    if message.admin.HasField("address"):
        with problems.collect():
            admin_address = address(message.admin.address, at / "admin" / "address")
    flush_interval = 5.0
    with problems.collect():
        flush_interval = seconds_or(message, "stats_flush_interval", 5.0, at)
    rejects_stat: Rejects | None = None
    with problems.collect():
        rejects_stat = compile_stats_matcher(message.stats_config.stats_matcher, at / "stats_config" / "stats_matcher")
    layers = tuple(_layers(message.layered_runtime, at / "layered_runtime", context))
    rules, fixed = _tags(message.stats_config, at / "stats_config" / "stats_tags", context)
    runtime = {key: value for _, values in layers for key, value in values.items()}
    hds: ApiConfigSource | None = None
    if message.HasField("hds_config"):
        with problems.collect():
            hds = compile_api_config_source(message.hds_config, at / "hds_config")
    bind: BindConfig | None = None
    with problems.collect():
        bind = _upstream_bind_config(message, at / "cluster_manager" / "upstream_bind_config")
    watchdogs = WatchdogsSettings()
    with problems.collect():
        watchdogs = compile_watchdogs(message, at)
    outlier_log: LogFile | None = None
    if path := message.cluster_manager.outlier_detection.event_log_path:
        with problems.collect():
            outlier_log = open_log(path, at / "cluster_manager" / "outlier_detection" / "event_log_path", context)
    overload, limit = compile_overload(message.overload_manager, runtime, at / "overload_manager", context)
    lds, cds, ads = _dynamic_resources(message.dynamic_resources, at / "dynamic_resources", context)
    return BootstrapConfig(
        node=node.SerializeToString(deterministic=True),
        node_id=node.id,
        node_cluster=node.cluster,
        node_zone=node.locality.zone,
        admin_address=admin_address,
        stats_flush_interval=flush_interval,
        tag_rules=rules,
        fixed_tags=fixed,
        runtime_layers=layers,
        runtime=runtime,
        log_pattern=_log_pattern(message),
        server_version=wrapped(message, "stats_server_version_override", 0),
        admin_access_loggers=_admin_access_loggers(message.admin, at / "admin", context),
        rejects_stat=rejects_stat,
        connection_limit=limit,
        overload=overload,
        watchdogs=watchdogs,
        upstream_bind_config=bind,
        internal_buffer_size=_internal_buffer_size(message, at / "bootstrap_extensions"),
        lds_config=lds,
        cds_config=cds,
        ads_config=ads,
        hds_config=hds,
        outlier_log=outlier_log,
    )


def _upstream_bind_config(message: bootstrap_pb2.Bootstrap, at: FieldPath) -> BindConfig | None:
    """It is read with each cluster, and whatever is wrong with it is said once."""
    if not message.cluster_manager.HasField("upstream_bind_config"):
        return None
    compile_source_addresses(message.cluster_manager.upstream_bind_config, at, "Bootstrap")
    return message.cluster_manager.upstream_bind_config


def _internal_buffer_size(message: bootstrap_pb2.Bootstrap, at: FieldPath) -> int | None:
    """That an extension is none of ours is found elsewhere (bootstrap.part_rules)."""
    for index, each in enumerate(message.bootstrap_extensions):
        if type_name(each.typed_config) == InternalListener.DESCRIPTOR.full_name:
            config = unpack_typed(each.typed_config, at / index / "typed_config")
            return int(wrapped(config, "buffer_size_kb", 1024)) << 10
    return None


def _admin_access_loggers(admin: bootstrap_pb2.Admin, at: FieldPath, context: CompileContext) -> tuple[AccessLogger, ...]:
    """`access_log_path` stands for a file with the default format."""
    loggers = compile_access_logs(admin.access_log, at / "access_log", context)
    if not admin.access_log_path:
        return loggers
    file = AccessLog(name="envoy.access_loggers.file")
    file.typed_config.Pack(FileAccessLog(path=admin.access_log_path))
    with context.problems.collect():
        loggers += (compile_access_log(file, at / "access_log_path", context),)
    return loggers


def _dynamic_resources(
    message: Any, at: FieldPath, context: CompileContext
) -> tuple[ConfigSource | None, ConfigSource | None, ApiConfigSource | None]:
    lds = cds = ads = None
    if message.HasField("lds_config"):
        with context.problems.collect():
            lds = compile_config_source(message.lds_config, at / "lds_config")
    if message.HasField("cds_config"):
        with context.problems.collect():
            cds = compile_config_source(message.cds_config, at / "cds_config")
    if message.HasField("ads_config"):
        with context.problems.collect():
            ads = compile_api_config_source(message.ads_config, at / "ads_config")
    return lds, cds, ads


def _node(message: bootstrap_pb2.Bootstrap) -> Any:
    """The bootstrap's node, completed by what we are."""
    node = type(message.node)()
    node.CopyFrom(message.node)
    node.user_agent_name = (
        "envoy"  # Consul refuses an Envoy that is too old, and Kuma shows it; what we are stands in the metadata below
    )
    version = node.user_agent_build_version
    major, minor, patch = (int(part) for part in ENVOY_VERSION.split("."))
    version.version.major_number, version.version.minor_number, version.version.patch = major, minor, patch
    facts = {"revision.sha": revision(), "revision.status": STATUS, "build.type": BUILD_TYPE, "ssl.version": TLS_LIBRARY}
    for key, value in facts.items():
        version.metadata.fields[key].string_value = value
    return node


def _layers(
    runtime: bootstrap_pb2.LayeredRuntime, at: FieldPath, context: CompileContext
) -> Iterator[tuple[str, Mapping[str, object]]]:
    seen: set[str] = set()
    for index, layer in enumerate(runtime.layers):
        place = at / "layers" / index
        if layer.name in seen:
            context.problems.add(place / "name", f"Duplicate layer name: {layer.name}")
        seen.add(layer.name)
        if layer.HasField("static_layer"):
            with context.problems.collect():
                yield layer.name, dict(_flattened(layer.static_layer, place / "static_layer", ""))
        elif layer.HasField("admin_layer"):
            yield layer.name, {}


def _flattened(struct: Struct, at: FieldPath, prefix: str) -> Iterator[tuple[str, object]]:
    """Nested structs are dotted keys, unless they stand for a fraction (numerator and denominator)."""
    for key, value in struct.fields.items():
        kind = value.WhichOneof("kind")
        if kind == "struct_value" and "numerator" not in value.struct_value.fields:
            yield from _flattened(value.struct_value, at / key, f"{prefix}{key}.")
        elif kind in (None, "null_value", "list_value"):
            raise ConfigError(at / key, f"Invalid runtime entry value for {prefix}{key}")
        else:
            yield prefix + key, _plain(value)


def _plain(value: Any) -> object:
    kind = value.WhichOneof("kind")
    return json_format.MessageToDict(value.struct_value) if kind == "struct_value" else getattr(value, kind)


def _tags(
    config: stats_pb2.StatsConfig, at: FieldPath, context: CompileContext
) -> tuple[tuple[names.TagRule, ...], tuple[tuple[str, str], ...]]:
    """The bootstrap's tags stand before the defaults, which use_all_default_tags can turn off.  A tag by name alone is a default one."""
    defaults = {rule.name: rule for rule in names.DEFAULT_RULES}
    rules: dict[str, names.TagRule] = {}
    fixed: list[tuple[str, str]] = []
    for index, tag in enumerate(config.stats_tags):
        place = at / index
        kind = tag.WhichOneof("tag_value")
        if kind == "fixed_value":
            fixed.append((tag.tag_name, tag.fixed_value))
        elif kind == "regex" and tag.regex:
            with context.problems.collect():
                rules[tag.tag_name] = _rule(tag.tag_name, tag.regex, place / "regex")
        elif tag.tag_name in defaults:
            rules[tag.tag_name] = defaults[tag.tag_name]
        elif tag.tag_name not in DEFAULT_TAGS:
            reason = f"No regex specified for tag specifier and no default regex for name: '{tag.tag_name}'"
            context.problems.add(place / "tag_name", reason)
    if wrapped(config, "use_all_default_tags", True):
        rules = {**defaults, **rules}
    return tuple(rules.values()), tuple(fixed)


def _rule(name: str, pattern: str, at: FieldPath) -> names.TagRule:
    try:
        return names.rule(name, pattern)
    except re.error as error:
        raise ConfigError(at, f"Invalid regex '{pattern}': {error}") from None


def _log_pattern(message: bootstrap_pb2.Bootstrap) -> str:
    """A text format as it is; a JSON format as one line of it, with messages escaped."""
    formats = message.application_log_config.log_format
    kind = formats.WhichOneof("log_format")
    if kind == "json_format":
        fields: Sequence[tuple[str, object]] = list(json_format.MessageToDict(formats.json_format).items())
        return "{" + ",".join(f"{json.dumps(key)}:{json.dumps(value)}" for key, value in fields) + "}"
    return str(formats.text_format) if kind else ""
