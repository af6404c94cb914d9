"""The decision of RBAC: policies in the order of their names, and what the action makes of the first that matches.

Not here: what rules may ask (rbac.subjects), counting and refusing (the filters).
Envoy: config.rbac.v3.RBAC; RoleBasedAccessControlEngineImpl.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from envoy.config.rbac.v3.rbac_pb2 import RBAC, Policy

from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.extensions.common.rbac.subjects import Subject, compile_permissions, compile_principals
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders

supports(RBAC, "action", "policies")
supports(Policy, "permissions", "principals")

NOBODY: Final = RequestHeaders(b"", b"", b"")
"""The head that rules see on a connection."""

LOG_NAMESPACE: Final = "envoy.common"
LOG_HINT: Final = "access_log_hint"
"""Where the action LOG leaves whether some policy matched."""


class Decision(NamedTuple):
    """policy: the name of the one that matched, "" for none."""

    allowed: bool
    policy: str


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    name: str
    permits: Subject
    concerns: Subject


@dataclass(frozen=True, slots=True)
class Engine:
    """action: a number of RBAC.Action."""

    action: int
    policies: tuple[CompiledPolicy, ...]

    def decide(self, headers: RequestHeaders, info: StreamInfo) -> Decision:
        matched = ""
        for policy in self.policies:
            if policy.permits(headers, info) and policy.concerns(headers, info):
                matched = policy.name
                break
        if self.action == RBAC.LOG:
            info.add_metadata(LOG_NAMESPACE, {LOG_HINT: bool(matched)})
            return Decision(True, matched)
        return Decision(bool(matched) is (self.action == RBAC.ALLOW), matched)


def compile_engine(message: RBAC, at: FieldPath, context: CompileContext) -> Engine:
    """Errors of policies go to the context."""
    policies = []
    for name, policy in sorted(message.policies.items()):
        with context.problems.collect():
            at_policy = at / "policies" / name
            permits = compile_permissions(policy.permissions, at_policy / "permissions")
            policies.append(CompiledPolicy(name, permits, compile_principals(policy.principals, at_policy / "principals")))
    return Engine(message.action, tuple(policies))


def denial_details(policy: str) -> str:
    """The response code details of a refusal."""
    return f"rbac_access_denied_matched_policy[{'_'.join((policy or 'none').split())}]"
