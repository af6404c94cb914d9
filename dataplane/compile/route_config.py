"""RouteConfiguration → routing.route.RouteConfiguration: virtual hosts and the index of their domains.

Not here: single routes (route).  Envoy: config.route.v3.{RouteConfiguration, VirtualHost}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from envoy.config.route.v3.route_components_pb2 import VirtualCluster as VirtualClusterMessage
from envoy.config.route.v3.route_components_pb2 import VirtualHost as VirtualHostMessage
from envoy.config.route.v3.route_pb2 import RouteConfiguration as RouteConfigurationMessage

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.header_mutations import compile_mutations
from dataplane.compile.matcher import compile_header_matchers
from dataplane.compile.mirror import compile_mirrors
from dataplane.compile.per_filter_config import compile_per_filter_config
from dataplane.compile.retry_policy import compile_retry_policy
from dataplane.compile.route import Inherited, buffer_limit, compile_route
from dataplane.compile.route_action import cluster_names
from dataplane.compile.route_matcher import compile_route_matcher
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import metadata_dict, wrapped
from dataplane.matching.header import all_headers
from dataplane.routing.route import HeaderMutations, Route, RouteConfiguration, VirtualCluster, VirtualHost
from dataplane.routing.table import RouteIndex, RouteLookUp

supports(
    RouteConfigurationMessage,
    "name",
    "virtual_hosts",
    "response_headers_to_add",
    "response_headers_to_remove",
    "request_headers_to_add",
    "request_headers_to_remove",
    "most_specific_header_mutations_wins",
    "validate_clusters",
    "max_direct_response_body_size_bytes",
    "request_mirror_policies",
    "ignore_port_in_host_matching",
    "typed_per_filter_config",
)
ignores(RouteConfigurationMessage, "metadata", because="read by nothing but extensions that are refused")
supports(
    VirtualHostMessage,
    "name",
    "domains",
    "routes",
    "matcher",
    "virtual_clusters",
    "require_tls",
    "request_headers_to_add",
    "request_headers_to_remove",
    "response_headers_to_add",
    "response_headers_to_remove",
    "typed_per_filter_config",
    "include_request_attempt_count",
    "include_attempt_count_in_response",
    "retry_policy",
    "request_mirror_policies",
    "per_request_buffer_limit_bytes",
    "request_body_buffer_limit",
    "metadata",
)
ignores(
    VirtualHostMessage,
    "rate_limits",
    because="rate limit filters read them, and those are refused; without one Envoy ignores them, too",
)
supports(VirtualClusterMessage, "headers", "name")

_MAX_DIRECT_RESPONSE_BODY = 4096


def compile_route_configuration(
    message: RouteConfigurationMessage, at: FieldPath, context: CompileContext, validate_clusters: bool = False
) -> RouteConfiguration:
    """Errors of parts go to the context; the result is of use only where it then has none.

    validate_clusters: the default for a configuration that does not say; true for one that stands in a listener.
    """
    config = _config_level(message, at, context)
    hosts = []
    for index, host in enumerate(message.virtual_hosts):
        with context.problems.collect():
            hosts.append(_compile_virtual_host(host, config, at / "virtual_hosts" / index, context))
    domains = _Domains()
    for index, virtual_host in enumerate(hosts):
        for domain in virtual_host.domains:
            with context.problems.collect():
                domains.add(domain, virtual_host, message.name, at / "virtual_hosts" / index / "domains")
    return RouteConfiguration(
        name=message.name,
        virtual_hosts=tuple(hosts),
        cluster_names=frozenset(name for _, name in [*named_clusters(hosts), *_matched_clusters(hosts)]),
        exact_domains=domains.exact,
        suffix_domains=_longest_first(domains.suffixes),
        prefix_domains=_longest_first(domains.prefixes),
        default_virtual_host=domains.default,
        ignore_port_in_host_matching=message.ignore_port_in_host_matching,
        most_specific_mutations_win=message.most_specific_header_mutations_wins,
        max_direct_response_body_size=config.max_direct_response_body,
        per_filter_config=config.per_filter_config,
        validate_clusters=wrapped(message, "validate_clusters", validate_clusters),
    )


def named_clusters(hosts: Iterable[VirtualHost]) -> Iterator[tuple[str, str]]:
    """Every cluster that a route names, with the word before `cluster` in the message for one that is unknown."""
    for host in hosts:
        for route in host.routes:
            yield from cluster_names(route.action)


def _matched_clusters(hosts: Iterable[VirtualHost]) -> Iterator[tuple[str, str]]:
    """Those of matchers, which as in Envoy need not be known."""
    for host in hosts:
        for route in host.matched_routes:
            yield from cluster_names(route.action)


def _config_level(message: RouteConfigurationMessage, at: FieldPath, context: CompileContext) -> Inherited:
    mutations = compile_mutations(message, at, context)
    return Inherited(
        virtual_host="",
        virtual_clusters=(),
        outer=() if mutations is None else (mutations,),
        most_specific_wins=message.most_specific_header_mutations_wins,
        per_filter_config=compile_per_filter_config(message.typed_per_filter_config, {}, at / "typed_per_filter_config", context),
        retry_policy=None,
        request_buffer_limit=None,
        mirrors=compile_mirrors(message.request_mirror_policies, at / "request_mirror_policies", context),
        max_direct_response_body=wrapped(message, "max_direct_response_body_size_bytes", _MAX_DIRECT_RESPONSE_BODY),
    )


def _compile_virtual_host(message: VirtualHostMessage, config: Inherited, at: FieldPath, context: CompileContext) -> VirtualHost:
    inherited = _host_level(message, config, at, context)
    routes: list[Route] = []
    for index, route in enumerate(message.routes):
        with context.problems.collect():
            routes.append(compile_route(route, inherited, at / "routes" / index, context))
    find: RouteLookUp = RouteIndex(routes)
    matched: tuple[Route, ...] = ()
    if message.HasField("matcher"):
        if message.routes:
            raise ConfigError(at, "cannot set both matcher and routes on virtual host")
        find, matched = compile_route_matcher(
            message.matcher, lambda route, place: compile_route(route, inherited, place, context), at / "matcher"
        )
    return VirtualHost(
        name=message.name,
        domains=tuple(message.domains),
        routes=tuple(routes),
        require_tls=message.require_tls,
        per_filter_config=inherited.per_filter_config,
        include_attempt_count=message.include_request_attempt_count,
        include_attempt_count_in_response=message.include_attempt_count_in_response,
        find=find,
        matched_routes=matched,
        virtual_clusters=inherited.virtual_clusters,
        metadata=metadata_dict(message.metadata),
    )


def _host_level(message: VirtualHostMessage, config: Inherited, at: FieldPath, context: CompileContext) -> Inherited:
    own = compile_mutations(message, at, context)
    retry = None
    if message.HasField("retry_policy"):
        with context.problems.collect():
            retry = compile_retry_policy(message.retry_policy, at / "retry_policy", context)
    return Inherited(
        virtual_host=message.name,
        virtual_clusters=_virtual_clusters(message, at / "virtual_clusters", context),
        outer=_with_own(own, config),
        most_specific_wins=config.most_specific_wins,
        per_filter_config=compile_per_filter_config(
            message.typed_per_filter_config, config.per_filter_config, at / "typed_per_filter_config", context
        ),
        retry_policy=retry,
        request_buffer_limit=buffer_limit(message, at),
        mirrors=compile_mirrors(message.request_mirror_policies, at / "request_mirror_policies", context) or config.mirrors,
        max_direct_response_body=config.max_direct_response_body,
        include_attempt_count=message.include_request_attempt_count,
        include_attempt_count_in_response=message.include_attempt_count_in_response,
    )


def _with_own(own: HeaderMutations | None, config: Inherited) -> tuple[HeaderMutations, ...]:
    if own is None:
        return config.outer
    return (*config.outer, own) if config.most_specific_wins else (own, *config.outer)


def _virtual_clusters(message: VirtualHostMessage, at: FieldPath, context: CompileContext) -> tuple[VirtualCluster, ...]:
    compiled = []
    for index, cluster in enumerate(message.virtual_clusters):
        with context.problems.collect():
            if not cluster.headers:
                raise ConfigError(at / index, "virtual clusters must define 'headers'")
            predicates = compile_header_matchers(cluster.headers, at / index / "headers")
            compiled.append(VirtualCluster(cluster.name, all_headers(predicates)))
    return tuple(compiled)


@dataclass(slots=True)
class _Domains:
    """The index while it is built.  Domains are compared without case."""

    exact: dict[bytes, VirtualHost] = field(default_factory=dict)
    suffixes: dict[bytes, VirtualHost] = field(default_factory=dict)
    prefixes: dict[bytes, VirtualHost] = field(default_factory=dict)
    default: VirtualHost | None = None

    def add(self, domain: str, host: VirtualHost, config_name: str, at: FieldPath) -> None:
        name = domain.lower().encode()
        if name == b"*":
            if self.default is not None:
                raise ConfigError(at, f"Only a single wildcard domain is permitted in route {config_name}")
            self.default = host
            return
        if name.startswith(b"*"):
            index, name = self.suffixes, name[1:]
        elif name.endswith(b"*"):
            index, name = self.prefixes, name[:-1]
        else:
            index = self.exact
        if name in index:
            duplicate = f"Duplicate entry of domain {domain.lower()} in route {config_name}"
            raise ConfigError(at, f"Only unique values for domains are permitted. {duplicate}")
        index[name] = host


def _longest_first(index: dict[bytes, VirtualHost]) -> tuple[tuple[bytes, VirtualHost], ...]:
    return tuple(sorted(index.items(), key=lambda item: -len(item[0])))
