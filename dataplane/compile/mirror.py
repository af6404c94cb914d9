"""RequestMirrorPolicy → routing.mirror.MirrorPolicy, and the header edits that it may have.

Envoy: RouteAction.RequestMirrorPolicy; config.common.mutation_rules.v3.HeaderMutation.
"""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.common.mutation_rules.v3.mutation_rules_pb2 import HeaderMutation
from envoy.config.route.v3.route_components_pb2 import RouteAction

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.header_mutations import compile_addition
from dataplane.compile.matcher import compile_string_matcher
from dataplane.compile.support import ignores, supports
from dataplane.compile.tracing import OF_SPANS
from dataplane.compile.units import runtime_parts
from dataplane.matching import string
from dataplane.routing.header_mutations import HeaderEdit, HeaderRemoval
from dataplane.routing.mirror import MirrorPolicy

supports(
    RouteAction.RequestMirrorPolicy,
    "cluster",
    "cluster_header",
    "runtime_fraction",
    "disable_shadow_host_suffix_append",
    "request_headers_mutations",
    "host_rewrite_literal",
)
ignores(RouteAction.RequestMirrorPolicy, "trace_sampled", because=OF_SPANS)
supports(HeaderMutation, "remove", "append", "remove_on_match")
supports(HeaderMutation.RemoveOnMatch, "key_matcher")


def compile_mirrors(
    policies: Iterable[RouteAction.RequestMirrorPolicy], at: FieldPath, context: CompileContext
) -> tuple[MirrorPolicy, ...]:
    """Those of one level; *at* is the field.  Errors go to the context."""
    compiled = []
    for index, policy in enumerate(policies):
        with context.problems.collect():
            compiled.append(_compile_mirror(policy, at / index, context))
    return tuple(compiled)


def _compile_mirror(policy: RouteAction.RequestMirrorPolicy, at: FieldPath, context: CompileContext) -> MirrorPolicy:
    if policy.cluster and policy.cluster_header:
        named = f"cluster '{policy.cluster}' or cluster_header '{policy.cluster_header}'"
        raise ConfigError(at, f"Only one of {named} in request mirror policy can be specified")
    if not policy.cluster and not policy.cluster_header:
        raise ConfigError(at, "Exactly one of cluster or cluster_header in request mirror policy need to be specified")
    fraction = (100, 100)
    if policy.HasField("runtime_fraction"):
        fraction = runtime_parts(policy.runtime_fraction, at / "runtime_fraction", context)
    return MirrorPolicy(
        cluster=policy.cluster,
        cluster_header=policy.cluster_header.lower().encode(),
        fraction=fraction,
        appends_suffix=not policy.disable_shadow_host_suffix_append,
        host=policy.host_rewrite_literal.encode(),
        edits=compile_edits(policy.request_headers_mutations, at / "request_headers_mutations"),
    )


def compile_edits(edits: Iterable[HeaderMutation], at: FieldPath) -> tuple[HeaderEdit, ...]:
    return tuple(_compile_edit(edit, at / index) for index, edit in enumerate(edits))


def _compile_edit(edit: HeaderMutation, at: FieldPath) -> HeaderEdit:
    match edit.WhichOneof("action"):
        case "append":
            return compile_addition(edit.append, at / "append")
        case "remove":
            return HeaderRemoval(string.exact(edit.remove.lower().encode()))
        case "remove_on_match":
            at = at / "remove_on_match" / "key_matcher"
            return HeaderRemoval(compile_string_matcher(edit.remove_on_match.key_matcher, at))
    raise ConfigError(at / "action", "is required")
