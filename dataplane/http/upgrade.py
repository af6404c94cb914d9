"""Upgrades: a request after which its connection carries something else than HTTP (WebSocket and others).

Here: whether one is allowed, and what its answer's head keeps.  Not here: the bytes that follow (http.codec.h1), CONNECT.
    asked ─allowed─▶ waiting (what the client sends is held) ─101─▶ tunnel, both ways, until one side ends
                                                            └any other answer─▶ that answer, then the connection ends
Envoy: upgrade_configs of the connection manager and of RouteAction; FilterChainUtility, ConnectionManagerImpl.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dataplane.routing.route import ForwardAction

if TYPE_CHECKING:
    from dataplane.http.config import UpgradeConfig
    from dataplane.routing.route import Route
    from dataplane.semantics.header_map import Field, RequestHeaders, ResponseHeaders

_KEPT: Final = frozenset({b"connection", b"upgrade"})


def is_allowed(configs: tuple[UpgradeConfig, ...], route: Route, headers: RequestHeaders) -> bool:
    """The route's word counts before the connection manager's; a type that neither names is not allowed."""
    wanted = (headers.get(b"upgrade") or b"").lower()
    if isinstance(route.action, ForwardAction):
        for upgrade_type, enabled in route.action.upgrades:
            if upgrade_type == wanted:
                return enabled
    return any(each.enabled for each in configs if each.upgrade_type == wanted)


def fields_of(headers: ResponseHeaders) -> list[Field]:
    """The fields that an answer of 101 keeps though they are for one connection only."""
    return [field for field in headers.fields if field[0] in _KEPT]
