"""Who may connect: connections allowed or closed by policies.  Envoy: envoy.filters.network.rbac.

The rules are asked when the first bytes come, and again with all that follow where the enforcement is continuous.
Not here: rules and decisions (extensions.common.rbac).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from envoy.config.rbac.v3.rbac_pb2 import RBAC as Rules
from envoy.config.rbac.v3.rbac_pb2 import Permission, Principal
from envoy.extensions.filters.network.rbac.v3.rbac_pb2 import RBAC

from dataplane.api.registry import extension
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.filter_chain import NETWORK_FILTER_KIND
from dataplane.compile.support import supports
from dataplane.compile.units import seconds_or
from dataplane.extensions.common.rbac.engine import NOBODY, Engine, compile_engine, denial_details
from dataplane.extensions.common.rbac.outcome import RbacRules, RbacStats, ask_enforced, ask_shadow

if TYPE_CHECKING:
    from dataplane.api.network_filter import DownstreamConnection
    from dataplane.base.deadlines import Deadline

supports(RBAC, "rules", "shadow_rules", "shadow_rules_stat_prefix", "stat_prefix", "delay_deny")
supports(RBAC, enforcement_type=("ONE_TIME_ON_FIRST_BYTE", "CONTINUOUS"))

_NAMESPACE: Final = "envoy.filters.network.rbac"
_CLOSE_REASON: Final = "rbac_deny_close"


@dataclass(frozen=True, slots=True)
class Rbac:
    """The compiled configuration.  delay_deny: seconds between a refusal and the close."""

    rules: RbacRules
    stat_prefix: str
    continuous: bool = False
    delay_deny: float = 0.0

    def create(self, connection: DownstreamConnection) -> RbacFilter:
        scope = connection.server.stats.scope(f"{self.stat_prefix.removesuffix('.')}.")
        return RbacFilter(self, RbacStats(self.rules, scope), connection)


class RbacFilter:
    """Implements api.network_filter.ReadFilter for one connection."""

    __slots__ = ("_config", "_connection", "_deadline", "_denied", "_passed", "_stats")

    rejected = False  # without bytes nothing is decided

    def __init__(self, config: Rbac, stats: RbacStats, connection: DownstreamConnection) -> None:
        self._config = config
        self._stats = stats
        self._connection = connection
        self._passed = False
        self._denied = False
        self._deadline: Deadline | None = None

    def on_data(self, data: bytes) -> bool:
        if self._passed:
            return True
        if self._denied:
            return False
        rules, info = self._config.rules, self._connection.info
        ask_shadow(rules, self._stats, NOBODY, info)
        decision = ask_enforced(rules, self._stats, NOBODY, info)
        if not decision.allowed:
            self._deny(denial_details(decision.policy))
            return False
        self._passed = not self._config.continuous
        return True

    def on_close(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    def _deny(self, details: str) -> None:
        self._denied = True
        connection = self._connection
        connection.info.connection_termination_details = details
        if self._config.delay_deny:
            connection.pause_reading()
            self._deadline = connection.server.deadlines.arm(self._config.delay_deny, self._close)
        else:
            self._close()

    def _close(self) -> None:
        self._deadline = None
        self._connection.info.local_close_reason = _CLOSE_REASON
        self._connection.close()


@extension(NETWORK_FILTER_KIND, RBAC.DESCRIPTOR.full_name)
def compile_config(message: RBAC, at: FieldPath, context: CompileContext) -> Rbac:
    shadow, enforced = message.HasField("shadow_rules"), message.HasField("rules")
    rules = RbacRules(
        namespace=_NAMESPACE,
        enforced=_engine(message.rules, at / "rules", context) if enforced else None,
        shadow=_engine(message.shadow_rules, at / "shadow_rules", context) if shadow else None,
        shadow_prefix=message.shadow_rules_stat_prefix,
        tells_enforced=False,
    )
    return Rbac(
        rules=rules,
        stat_prefix=message.stat_prefix,
        continuous=message.enforcement_type == RBAC.CONTINUOUS,
        delay_deny=seconds_or(message, "delay_deny", 0.0, at),
    )


def _engine(message: Rules, at: FieldPath, context: CompileContext) -> Engine:
    for name, policy in sorted(message.policies.items()):
        for field in ("permissions", "principals"):
            for index, each in enumerate(getattr(policy, field)):
                with context.problems.collect():
                    _check_no_header(each, at / "policies" / name / field / index)
    return compile_engine(message, at, context)


def _check_no_header(rule: Permission | Principal, at: FieldPath) -> None:
    """A connection has no headers.  Looks into rules that hold rules."""
    for field, value in rule.ListFields():
        if field.name == "header":
            raise ConfigError(at / "header", "Found header rule, not supported by RBAC network filter")
        inner = getattr(value, "rules", getattr(value, "ids", None))
        if inner is not None:
            for index, each in enumerate(inner):
                _check_no_header(each, at / field.name / index)
        elif field.name in ("not_rule", "not_id"):
            _check_no_header(value, at / field.name)
