"""AccessLogFilter → a predicate on a finished stream; local replies are chosen by the same filters.

Envoy: config.accesslog.v3.AccessLogFilter.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final

from envoy.config.accesslog.v3.accesslog_pb2 import (
    AccessLogFilter,
    AndFilter,
    ComparisonFilter,
    DurationFilter,
    HeaderFilter,
    LogTypeFilter,
    NotHealthCheckFilter,
    OrFilter,
    ResponseFlagFilter,
    StatusCodeFilter,
)
from envoy.config.core.v3.base_pb2 import RuntimeUInt32
from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.matcher import compile_header_matcher
from dataplane.compile.support import supports
from dataplane.observe import flags
from dataplane.observe.access_log import LogPredicate

supports(
    AccessLogFilter,
    "status_code_filter",
    "duration_filter",
    "not_health_check_filter",
    "and_filter",
    "or_filter",
    "header_filter",
    "response_flag_filter",
    "log_type_filter",
)
supports(StatusCodeFilter, "comparison")
supports(DurationFilter, "comparison")
supports(NotHealthCheckFilter)
supports(AndFilter, "filters")
supports(OrFilter, "filters")
supports(HeaderFilter, "header")
supports(ResponseFlagFilter, "flags")
supports(LogTypeFilter, "types", "exclude")
supports(ComparisonFilter, "op", "value")
supports(RuntimeUInt32, "default_value", "runtime_key")

_OPERATORS: Final[dict[int, Callable[[int, int], bool]]] = {
    ComparisonFilter.EQ: operator.eq,
    ComparisonFilter.GE: operator.ge,
    ComparisonFilter.LE: operator.le,
    ComparisonFilter.NE: operator.ne,
}


def compile_log_filter(message: AccessLogFilter, at: FieldPath, context: CompileContext) -> LogPredicate:
    kind = message.WhichOneof("filter_specifier")
    compile_kind = _KINDS.get(kind or "")
    if compile_kind is None:
        raise ConfigError(at / (kind or "filter_specifier"), "not supported" if kind else "is required")
    return compile_kind(getattr(message, kind), at / kind, context)


def _status_code(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    holds = _comparison(message.comparison, at / "comparison", context)
    return lambda logged: holds(logged.info.response_code)


def _duration(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    holds = _comparison(message.comparison, at / "comparison", context)
    return lambda logged: holds(int((logged.info.end_at - logged.info.start_at) * 1000))


def _not_health_check(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    """No filter marks a request as a health check, so none is one."""
    return lambda logged: True


def _and(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    parts = tuple(compile_log_filter(each, at / "filters" / index, context) for index, each in enumerate(message.filters))
    return lambda logged: all(part(logged) for part in parts)


def _or(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    parts = tuple(compile_log_filter(each, at / "filters" / index, context) for index, each in enumerate(message.filters))
    return lambda logged: any(part(logged) for part in parts)


def _header(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    matches = compile_header_matcher(message.header, at / "header")
    return lambda logged: logged.request is not None and matches(logged.request)


def _response_flag(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    """No flag in the list stands for any."""
    unknown = [name for name in message.flags if not flags.named(name)]
    if unknown:
        raise ConfigError(at / "flags", f"unknown response flag {unknown[0]!r}")
    wanted = sum(flags.named(name) for name in set(message.flags)) or -1
    return lambda logged: bool(logged.info.response_flags & wanted)


def _log_type(message: Any, at: FieldPath, context: CompileContext) -> LogPredicate:
    """By the moment that is logged; exclude: all others."""
    types = frozenset(AccessLogType.Name(each) for each in message.types)
    excluded = message.exclude
    return lambda logged: ((logged.info.access_log_type or "NotSet") in types) is not excluded


def _comparison(message: ComparisonFilter, at: FieldPath, context: CompileContext) -> Callable[[int], bool]:
    compare = _OPERATORS.get(message.op)
    if compare is None:
        raise ConfigError(at / "op", f"undefined value {message.op}")
    value = message.value.default_value
    override = context.runtime.get(message.value.runtime_key) if message.value.runtime_key else None
    if isinstance(override, int | float) and not isinstance(override, bool):
        value = int(override)
    return lambda number: compare(number, value)


_KINDS: Final[dict[str, Callable[[Any, FieldPath, CompileContext], LogPredicate]]] = {
    "status_code_filter": _status_code,
    "duration_filter": _duration,
    "not_health_check_filter": _not_health_check,
    "and_filter": _and,
    "or_filter": _or,
    "header_filter": _header,
    "response_flag_filter": _response_flag,
    "log_type_filter": _log_type,
}
