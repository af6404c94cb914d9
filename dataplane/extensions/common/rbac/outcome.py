"""What both RBAC filters do around the engine: enforced and shadow rules, counters, metadata.

Not here: the decision (rbac.engine), what is done to whom is denied (the filters).
Envoy: RoleBasedAccessControlFilterConfig, RoleBasedAccessControlFilterStats.
"""

from __future__ import annotations

from dataclasses import dataclass

from dataplane.extensions.common.rbac.engine import Decision, Engine
from dataplane.observe.stats import Scope
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders


@dataclass(frozen=True, slots=True)
class RbacRules:
    """Both sets of rules; None where there is none.  *_prefix: of their statistics, and of the metadata that they leave.

    namespace: where the metadata goes.  tells_enforced: whether the enforced rules leave any.
    """

    namespace: str
    enforced: Engine | None
    shadow: Engine | None
    enforced_prefix: str = ""
    shadow_prefix: str = ""
    track_per_rule_stats: bool = False
    tells_enforced: bool = True


_ALLOWED = Decision(True, "")


class RbacStats:
    """The counters of a filter, below `<prefix>rbac.`.  Rules of a route are counted there, too."""

    __slots__ = ("_enforced", "_shadow")

    def __init__(self, rules: RbacRules, scope: Scope) -> None:
        scope = scope.scope("rbac.")
        self._enforced = _Counters(scope, rules.enforced_prefix, "")
        self._shadow = _Counters(scope, rules.shadow_prefix, "shadow_")

    def count(self, decision: Decision, per_rule: bool) -> None:
        self._enforced.count(decision, per_rule)

    def count_shadow(self, decision: Decision, per_rule: bool) -> None:
        self._shadow.count(decision, per_rule)


class _Counters:
    """The counters of one set of rules."""

    __slots__ = ("_allowed", "_denied", "_kind", "_scope")

    def __init__(self, scope: Scope, prefix: str, kind: str) -> None:
        self._scope = scope = scope.scope(f"{prefix.removesuffix('.')}.") if prefix else scope
        self._kind = kind
        self._allowed = scope.counter(f"{kind}allowed")
        self._denied = scope.counter(f"{kind}denied")

    def count(self, decision: Decision, per_rule: bool) -> None:
        (self._allowed if decision.allowed else self._denied).inc()
        if per_rule and decision.policy:
            result = "allowed" if decision.allowed else "denied"
            self._scope.counter(f"policy.{decision.policy}.{self._kind}{result}").inc()


def ask_shadow(rules: RbacRules, stats: RbacStats, headers: RequestHeaders, info: StreamInfo) -> None:
    """The shadow rules decide nothing: what they would have decided is counted and left as metadata."""
    if rules.shadow is None:
        return
    decision = rules.shadow.decide(headers, info)
    stats.count_shadow(decision, rules.track_per_rule_stats)
    info.add_metadata(rules.namespace, _outcome(f"{rules.shadow_prefix}shadow", decision))


def ask_enforced(rules: RbacRules, stats: RbacStats, headers: RequestHeaders, info: StreamInfo) -> Decision:
    """Without rules everything is allowed, and nothing counted."""
    if rules.enforced is None:
        return _ALLOWED
    decision = rules.enforced.decide(headers, info)
    stats.count(decision, rules.track_per_rule_stats)
    if rules.tells_enforced:
        info.add_metadata(rules.namespace, _outcome(f"{rules.enforced_prefix}enforced", decision))
    return decision


def _outcome(prefix: str, decision: Decision) -> dict[str, object]:
    values: dict[str, object] = {f"{prefix}_engine_result": "allowed" if decision.allowed else "denied"}
    if decision.policy:
        values[f"{prefix}_effective_policy_id"] = decision.policy
    return values
