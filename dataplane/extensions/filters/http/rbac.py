"""Who may ask what: requests allowed or refused by policies.  Envoy: envoy.filters.http.rbac.

Not here: rules and decisions (extensions.common.rbac).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from envoy.extensions.filters.http.rbac.v3.rbac_pb2 import RBAC, RBACPerRoute

from dataplane.api.http_filter import CONTINUE, FilterStatus, StreamCallbacks
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.extensions.common.rbac.engine import compile_engine, denial_details
from dataplane.extensions.common.rbac.outcome import RbacRules, RbacStats, ask_enforced, ask_shadow

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.observe.stats import Scope
    from dataplane.semantics.header_map import RequestHeaders

supports(RBAC, "rules", "rules_stat_prefix", "shadow_rules", "shadow_rules_stat_prefix", "track_per_rule_stats")
supports(RBACPerRoute, "rbac")

_NAMESPACE: Final = "envoy.filters.http.rbac"


@dataclass(frozen=True, slots=True)
class Rbac:
    """The compiled configuration, of the filter or of a route."""

    rules: RbacRules

    def bind(self, server: ServerContext, stats: Scope, name: str) -> RbacFilter:
        return RbacFilter(self.rules, stats, name)


class RbacFilter:
    """One filter of a connection manager.  Rules of a route take the place of its own."""

    __slots__ = ("_name", "_rules", "_stats")

    def __init__(self, rules: RbacRules, stats: Scope, name: str) -> None:
        self._rules = rules
        self._stats = RbacStats(rules, stats)
        self._name = name

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        of_route = stream.filter_config(self._name)
        rules = of_route.rules if isinstance(of_route, Rbac) else self._rules
        ask_shadow(rules, self._stats, headers, stream.info)
        decision = ask_enforced(rules, self._stats, headers, stream.info)
        if decision.allowed:
            return CONTINUE
        return stream.local_reply(403, b"RBAC: access denied", details=denial_details(decision.policy))


@extension("envoy.filters.http", RBAC.DESCRIPTOR.full_name)
def compile_config(message: RBAC, at: FieldPath, context: CompileContext) -> Rbac:
    shadow, enforced = message.HasField("shadow_rules"), message.HasField("rules")
    return Rbac(
        RbacRules(
            namespace=_NAMESPACE,
            enforced=compile_engine(message.rules, at / "rules", context) if enforced else None,
            shadow=compile_engine(message.shadow_rules, at / "shadow_rules", context) if shadow else None,
            enforced_prefix=message.rules_stat_prefix,
            shadow_prefix=message.shadow_rules_stat_prefix,
            track_per_rule_stats=message.track_per_rule_stats,
        )
    )


@extension("envoy.filters.http.route", RBACPerRoute.DESCRIPTOR.full_name)
def compile_route_config(message: RBACPerRoute, at: FieldPath, context: CompileContext) -> Rbac:
    """Without rules: none are asked on this route."""
    return compile_config(message.rbac, at / "rbac", context)
