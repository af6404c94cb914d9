"""Scoped routes: which of many route tables a request uses, by a key that is made of its headers.

Here: the key of a request, and the look-up.  Not here: protobuf (compile.scoped_routes), where scopes come from (xds).
Envoy: HttpConnectionManager.ScopedRoutes, config.route.v3.ScopedRouteConfiguration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from dataplane.routing.route import RouteConfiguration
from dataplane.semantics.header_map import RequestHeaders

ScopeKey = tuple[bytes, ...]
Extract = Callable[[RequestHeaders], bytes | None]


@dataclass(frozen=True, slots=True)
class RouteScope:
    """A `ScopedRouteConfiguration` that SRDS brought: requests with this key use the route configuration of that name."""

    name: str
    key: ScopeKey
    route_configuration_name: str


@dataclass(frozen=True, slots=True)
class ScopedRoutes:
    """`ScopedRoutes` of one connection manager.  tables: the inline ones by key; None where SRDS brings the scopes."""

    name: str
    fragments: tuple[Extract, ...]
    tables: Mapping[ScopeKey, RouteConfiguration] | None = field(default=None, hash=False)

    def key_of(self, headers: RequestHeaders) -> ScopeKey | None:
        """The key of a request; None where one of its fragments is missing: then no scope matches."""
        key = []
        for extract in self.fragments:
            fragment = extract(headers)
            if fragment is None:
                return None
            key.append(fragment)
        return tuple(key)


def at_index(name: bytes, separator: bytes, index: int) -> Extract:
    """The element with that number of the header's first value."""

    def extract(headers: RequestHeaders) -> bytes | None:
        elements = _elements(headers, name, separator)
        return elements[index] if index < len(elements) else None

    return extract


def of_element(name: bytes, separator: bytes, key: bytes, key_separator: bytes) -> Extract:
    """The value of the first element `<key><key_separator><value>`; an element that is the key alone has an empty value."""

    def extract(headers: RequestHeaders) -> bytes | None:
        for element in _elements(headers, name, separator):
            found, _, value = element.partition(key_separator)
            if found == key:
                return value
        return None

    return extract


def index_scopes(scopes: Mapping[str, RouteScope]) -> Mapping[ScopeKey, str]:
    """Names of route configurations by key.  Of two scopes with one key the first by name counts."""
    by_key: dict[ScopeKey, str] = {}
    for _, scope in sorted(scopes.items()):
        by_key.setdefault(scope.key, scope.route_configuration_name)
    return MappingProxyType(by_key)


def _elements(headers: RequestHeaders, name: bytes, separator: bytes) -> list[bytes]:
    value = headers.pseudo(name) if name[:1] == b":" or name == b"host" else headers.get(name)
    if value is None:
        return []
    return value.split(separator) if separator else [value]
