"""Compiled routes: the frozen result of a RouteConfiguration.

Here: the values.  Not here: finding a route (routing.table), carrying an action out (router), protobuf (compile.route).
Envoy: config.route.v3.{RouteConfiguration, VirtualHost, Route}.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.matching.criteria import Criteria
    from dataplane.matching.path import PathSpecifier
    from dataplane.observe.formatter_context import FormatterContext
    from dataplane.routing.hash_policy import HashPolicy
    from dataplane.routing.mirror import MirrorPolicy
    from dataplane.routing.stream_duration import GrpcTimeout, StreamDuration
    from dataplane.routing.trace_sampling import TraceSampling
    from dataplane.semantics.header_map import RequestHeaders

NO_CONFIG: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HeaderAddition:
    """One `HeaderValueOption`.  append_action: the enum's number (0 append or add, 1 add if absent, 2 overwrite or add, 3 overwrite)."""

    name: bytes
    value: bytes | Callable[[FormatterContext], bytes]
    append_action: int = 0
    keep_empty_value: bool = False


@dataclass(frozen=True, slots=True)
class HeaderMutations:
    """What one level (route configuration, virtual host, route, weighted cluster) does to the headers of both directions."""

    request_add: tuple[HeaderAddition, ...] = ()
    request_remove: tuple[bytes, ...] = ()
    response_add: tuple[HeaderAddition, ...] = ()
    response_remove: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    """One choice of a weighted route."""

    name: str
    weight: int
    cluster_header: bytes = b""
    mutations: HeaderMutations | None = None
    host_rewrite: bytes = b""
    metadata_match: Criteria | None = None  # the route's, with its own on top
    per_filter_config: Mapping[str, object] = field(default_factory=lambda: NO_CONFIG)


@dataclass(frozen=True, slots=True)
class ConnectConfig:
    """`ConnectConfig`: a CONNECT ends here, and what it carries goes on as plain bytes.

    proxy_protocol: which version of the PROXY protocol goes ahead of them, 0 for none.  allow_post: of POST requests, too.
    """

    proxy_protocol: int = 0
    allow_post: bool = False

    def terminates(self, method: bytes) -> bool:
        return method == b"CONNECT" or (self.allow_post and method == b"POST")


@dataclass(frozen=True, slots=True)
class ForwardAction:
    """`RouteAction`: send the request to a cluster.  Exactly one of cluster, cluster_header, weighted_clusters is set."""

    cluster: str = ""
    cluster_header: bytes = b""
    weighted_clusters: tuple[WeightedCluster, ...] = ()
    total_weight: int = 0
    cluster_not_found_status: int = 503
    timeout: float = 15.0  # seconds for the whole response; 0 means none
    idle_timeout: float | None = None  # None: the connection manager's stream_idle_timeout
    max_stream_duration: StreamDuration | None = None
    grpc_timeout: GrpcTimeout | None = None  # in the place of timeout for gRPC requests
    # path: bytes → bytes, given the path without query; None leaves it alone.  Bound at compile time, query kept by the caller.
    rewrite_path: Callable[[bytes], bytes] | None = None
    host_rewrite: bytes = b""
    host_rewrite_header: bytes = b""
    host_rewrite_path_regex: Callable[[bytes], bytes] | None = None
    auto_host_rewrite: bool = False
    append_x_forwarded_host: bool = False
    retry_policy: object | None = None  # resilience.retry.RetryPolicy
    priority: int = 0  # routing priority: 0 default, 1 high
    weight_header: bytes = b""  # the request header whose number chooses among weighted_clusters; b"": chance does
    hash_policies: tuple[HashPolicy, ...] = ()
    metadata_match: Criteria | None = None  # of the hosts that may serve it, where the cluster has subsets
    mirrors: tuple[MirrorPolicy, ...] = ()
    upgrades: tuple[tuple[bytes, bool], ...] = ()  # upgrade type in lower case, whether it is allowed
    changes_target: bool = field(init=False)  # requests go on with another host or path
    connect: ConnectConfig | None = None  # None: a CONNECT goes on as one
    # What a request wishes that asks for nothing itself.  router.request_plan works it out for the first one; it goes when this goes.
    unasked: object | None = field(init=False, default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        rewrites = (self.host_rewrite, self.host_rewrite_header, self.rewrite_path, self.host_rewrite_path_regex)
        object.__setattr__(self, "changes_target", any(rewrites))


@dataclass(frozen=True, slots=True)
class RedirectAction:
    """`RedirectAction`.  location() builds the full target from the request, whose path was rewritten by rewrite_path before."""

    status: int
    location: Callable[[RequestHeaders], bytes]
    rewrite_path: Callable[[bytes], bytes] | None = None  # as ForwardAction.rewrite_path


@dataclass(frozen=True, slots=True)
class DirectResponse:
    """`DirectResponseAction`."""

    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class NonForwardingAction:
    """`NonForwardingAction`: only for gRPC servers; a proxy that matches it answers 500 as Envoy does."""


Action = ForwardAction | RedirectAction | DirectResponse | NonForwardingAction


@dataclass(frozen=True, slots=True)
class Route:
    """One entry of a virtual host.  `matches(headers, path, query, random_value)` is the compiled RouteMatch."""

    name: str
    matches: Callable[[RequestHeaders, bytes, bytes, int], bool]
    action: Action
    match_key: bytes  # the serialized RouteMatch: equal bytes mean the same match
    mutations: tuple[HeaderMutations, ...] = ()  # this route's, its virtual host's and configuration's, in the order they apply
    per_filter_config: Mapping[str, object] = field(default_factory=lambda: NO_CONFIG)
    metadata: Mapping[str, object] = field(default_factory=lambda: NO_CONFIG)
    stat_prefix: str = ""
    request_buffer_limit: int | None = None
    virtual_host: str = ""
    virtual_clusters: tuple[VirtualCluster, ...] = ()  # its virtual host's
    # `matches` in two halves, for the index of routing.table; path None: not known, condition None: nothing beside the path.
    path: PathSpecifier | None = None
    condition: Callable[[RequestHeaders, bytes, int], bool] | None = None  # (headers, query, random_value)
    pathless: bool = False  # also matches requests without a path: CONNECT
    trace_sampling: TraceSampling | None = None  # None: the connection manager's
    include_attempt_count: bool = False  # its virtual host's include_request_attempt_count
    include_attempt_count_in_response: bool = False


@dataclass(frozen=True, slots=True)
class VirtualCluster:
    """`VirtualCluster`: a name for the statistics of the requests that match."""

    name: str
    matches: Callable[[RequestHeaders], bool]


@dataclass(frozen=True, slots=True)
class VirtualHost:
    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    require_tls: int = 0  # enum TlsRequirementType
    per_filter_config: Mapping[str, object] = field(default_factory=lambda: NO_CONFIG)
    include_attempt_count: bool = False
    include_attempt_count_in_response: bool = False
    find: Callable[[RequestHeaders, bytes, bytes, int], Route | None] | None = (
        None  # routing.table.RouteIndex; None: try one by one
    )
    virtual_clusters: tuple[VirtualCluster, ...] = ()
    matched_routes: tuple[Route, ...] = ()  # those that `find` gives where it is a matcher; routes is empty then
    metadata: Mapping[str, object] = field(default_factory=lambda: NO_CONFIG)


@dataclass(frozen=True, slots=True)
class RouteConfiguration:
    """A whole route table.  `virtual_host_for` is the compiled domain index; see routing.table.find_virtual_host."""

    name: str
    virtual_hosts: tuple[VirtualHost, ...]
    cluster_names: frozenset[str]  # every cluster that some route names, for warming
    exact_domains: Mapping[bytes, VirtualHost] = field(default_factory=dict)
    suffix_domains: tuple[tuple[bytes, VirtualHost], ...] = ()  # `*.foo.com`, longest first
    prefix_domains: tuple[tuple[bytes, VirtualHost], ...] = ()  # `foo.*`, longest first
    default_virtual_host: VirtualHost | None = None  # `*`
    ignore_port_in_host_matching: bool = False
    most_specific_mutations_win: bool = False
    max_direct_response_body_size: int = 4096
    per_filter_config: Mapping[str, object] = field(default_factory=lambda: NO_CONFIG)
    validate_clusters: bool = False
