"""What a rule of RBAC may ask of a request or a connection: Permission and Principal → predicates.

Here: the leaves and how they are put together.  Not here: policies and their action (rbac.engine), the filters.
A connection has no head: rules on headers are refused there, rules on the path never match, as in Envoy.
Envoy: config.rbac.v3.{Permission, Principal}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from envoy.config.core.v3.address_pb2 import CidrRange
from envoy.config.rbac.v3.rbac_pb2 import MetadataSource, Permission, Principal, SourcedMetadata
from envoy.type.matcher.v3.path_pb2 import PathMatcher
from envoy.type.v3.range_pb2 import Int32Range

from dataplane.base.address import Address, SocketAddress
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.filter_chain import compile_ranges
from dataplane.compile.matcher import compile_header_matcher, compile_string_matcher
from dataplane.compile.metadata_matcher import compile_metadata_matcher
from dataplane.compile.support import supports
from dataplane.matching.cidr import CidrSet, parse_address
from dataplane.matching.path import without_query
from dataplane.matching.string import StringPredicate
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders

if TYPE_CHECKING:
    from collections.abc import Mapping

supports(
    Permission,
    "and_rules",
    "or_rules",
    "any",
    "header",
    "url_path",
    "destination_ip",
    "destination_port",
    "destination_port_range",
    "metadata",
    "not_rule",
    "requested_server_name",
    "sourced_metadata",
)
supports(Permission.Set, "rules")
supports(
    Principal,
    "and_ids",
    "or_ids",
    "any",
    "authenticated",
    "source_ip",
    "direct_remote_ip",
    "remote_ip",
    "header",
    "url_path",
    "metadata",
    "not_id",
    "sourced_metadata",
)
supports(Principal.Set, "ids")
supports(Principal.Authenticated, "principal_name")
supports(SourcedMetadata, "metadata_matcher", "metadata_source")
supports(PathMatcher, "path")
supports(Int32Range, "start", "end")

Subject = Callable[[RequestHeaders, StreamInfo], bool]
_ADDRESSES: Final[dict[str, Callable[[StreamInfo], Address | None]]] = {
    "destination_ip": lambda info: info.downstream_local_address,
    "source_ip": lambda info: info.downstream_direct_remote_address,
    "direct_remote_ip": lambda info: info.downstream_direct_remote_address,
    "remote_ip": lambda info: info.downstream_remote_address,
}


def compile_permissions(messages: Iterable[Permission], at: FieldPath) -> Subject:
    """One of them is enough."""
    return _any_of([compile_permission(each, at / index) for index, each in enumerate(messages)])


def compile_principals(messages: Iterable[Principal], at: FieldPath) -> Subject:
    """One of them is enough."""
    return _any_of([compile_principal(each, at / index) for index, each in enumerate(messages)])


def compile_permission(message: Permission, at: FieldPath) -> Subject:
    kind = message.WhichOneof("rule")
    match kind:
        case "and_rules":
            at_rules = at / kind / "rules"
            return _all_of([compile_permission(each, at_rules / index) for index, each in enumerate(message.and_rules.rules)])
        case "or_rules":
            return compile_permissions(message.or_rules.rules, at / kind / "rules")
        case "not_rule":
            return _negated(compile_permission(message.not_rule, at / kind))
        case "destination_port":
            return _on_port(message.destination_port, message.destination_port + 1)
        case "destination_port_range":
            return _on_port(message.destination_port_range.start, message.destination_port_range.end)
        case "requested_server_name":
            return _on_server_name(compile_string_matcher(message.requested_server_name, at / kind))
    return _shared(message, kind, at, "rule")


def compile_principal(message: Principal, at: FieldPath) -> Subject:
    kind = message.WhichOneof("identifier")
    match kind:
        case "and_ids":
            at_ids = at / kind / "ids"
            return _all_of([compile_principal(each, at_ids / index) for index, each in enumerate(message.and_ids.ids)])
        case "or_ids":
            return compile_principals(message.or_ids.ids, at / kind / "ids")
        case "not_id":
            return _negated(compile_principal(message.not_id, at / kind))
        case "authenticated":
            return _authenticated(message.authenticated, at / kind)
    return _shared(message, kind, at, "identifier")


def _shared(message: Any, kind: str | None, at: FieldPath, oneof: str) -> Subject:
    """The rules that permissions and principals have in common."""
    match kind:
        case "any":
            return lambda headers, info: True
        case "header":
            holds = compile_header_matcher(message.header, at / kind)
            return lambda headers, info: holds(headers)
        case "url_path":
            return _on_path(compile_string_matcher(message.url_path.path, at / kind / "path"))
        case "destination_ip" | "source_ip" | "direct_remote_ip" | "remote_ip":
            return _on_address(getattr(message, kind), at / kind, _ADDRESSES[kind])
        case "metadata":
            return _on_metadata(compile_metadata_matcher(message.metadata, at / kind), MetadataSource.DYNAMIC)
        case "sourced_metadata":
            sourced = message.sourced_metadata
            return _on_metadata(compile_metadata_matcher(sourced.metadata_matcher, at / kind), sourced.metadata_source)
    raise ConfigError(at / (kind or oneof), "not supported" if kind else "is required")


def _on_path(test: StringPredicate) -> Subject:
    """A request without a path matches no rule on it."""
    return lambda headers, info: bool(headers.path) and bool(test(without_query(headers.path)))


def _on_server_name(test: StringPredicate) -> Subject:
    return lambda headers, info: bool(test(info.requested_server_name.encode()))


def _on_port(start: int, end: int) -> Subject:
    def holds(headers: RequestHeaders, info: StreamInfo) -> bool:
        address = info.downstream_local_address
        return isinstance(address, SocketAddress) and start <= address.port < end

    return holds


def _on_address(message: CidrRange, at: FieldPath, address_of: Callable[[StreamInfo], Address | None]) -> Subject:
    ranges = CidrSet(compile_ranges([message], at))

    def holds(headers: RequestHeaders, info: StreamInfo) -> bool:
        address = address_of(info)
        return isinstance(address, SocketAddress) and parse_address(address.host) in ranges

    return holds


def _on_metadata(test: Callable[[Mapping[str, object] | None], bool], source: int) -> Subject:
    if source == MetadataSource.DYNAMIC:
        return lambda headers, info: test(info.dynamic_metadata)

    def holds(headers: RequestHeaders, info: StreamInfo) -> bool:
        route = getattr(info, "route", None)  # an HTTP stream's; a connection has none
        return test(None if route is None else route.metadata)

    return holds


def _authenticated(message: Principal.Authenticated, at: FieldPath) -> Subject:
    """The names of the peer's certificate; its subject where none of them matches.  Without a name, TLS is enough."""
    if not message.HasField("principal_name"):
        return lambda headers, info: info.downstream_tls is not None
    test = compile_string_matcher(message.principal_name, at / "principal_name")

    def holds(headers: RequestHeaders, info: StreamInfo) -> bool:
        if info.downstream_tls is None:
            return False
        certificate = info.downstream_tls.peer_certificate
        if certificate is None:
            return bool(test(b""))
        names = (*certificate.uris, *certificate.dns_names, certificate.subject)
        return any(test(name.encode()) for name in names)

    return holds


def _negated(subject: Subject) -> Subject:
    return lambda headers, info: not subject(headers, info)


def _any_of(subjects: list[Subject]) -> Subject:
    if len(subjects) == 1:
        return subjects[0]
    choices = tuple(subjects)
    return lambda headers, info: any(choice(headers, info) for choice in choices)


def _all_of(subjects: list[Subject]) -> Subject:
    if len(subjects) == 1:
        return subjects[0]
    required = tuple(subjects)
    return lambda headers, info: all(each(headers, info) for each in required)
