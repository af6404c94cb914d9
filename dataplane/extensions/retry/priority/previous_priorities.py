"""Retries avoid the priorities of hosts that were tried.  Envoy: envoy.retry_priorities.previous_priorities."""

from __future__ import annotations

from envoy.extensions.retry.priority.previous_priorities.v3.previous_priorities_config_pb2 import PreviousPrioritiesConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.retry_policy import PRIORITY_KIND, PriorityUpdates
from dataplane.compile.support import supports

supports(PreviousPrioritiesConfig, "update_frequency")


@extension(PRIORITY_KIND, PreviousPrioritiesConfig.DESCRIPTOR.full_name)
def compile_config(config: PreviousPrioritiesConfig, at: FieldPath, context: CompileContext) -> PriorityUpdates:
    return PriorityUpdates(config.update_frequency)
