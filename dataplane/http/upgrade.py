"""Upgrades: a request after which its stream carries something else than HTTP (WebSocket and others, CONNECT).

Here: whether one is allowed and granted, and what its answer's head keeps.  Not here: the bytes that follow (http.codec), where they go
(router.tunnels).
    asked ─allowed─▶ waiting (what the client sends is held) ─granted─▶ tunnel, both ways, until one side ends
                                                            └any other answer─▶ that answer, then the stream ends
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
    wanted = b"connect" if headers.method == b"CONNECT" else (headers.get(b"upgrade") or b"").lower()
    if isinstance(route.action, ForwardAction):
        for upgrade_type, enabled in route.action.upgrades:
            if upgrade_type == wanted:
                return enabled
    return any(each.enabled for each in configs if each.upgrade_type == wanted)


def is_granted(request: RequestHeaders | None, response: ResponseHeaders) -> bool:
    """Whether the answer to an upgrade opens the tunnel."""
    if request is not None and request.method == b"CONNECT":
        return 200 <= response.status < 300
    return response.status == 101


def fields_of(headers: ResponseHeaders) -> list[tuple[int, Field]]:
    """The fields that an answer of 101 keeps though they are for one connection only, with their places."""
    return [each for each in enumerate(headers.fields) if each[1][0] in _KEPT]
