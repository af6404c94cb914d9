"""HTTP filters configured as a configuration file would, in front of the router of a test engine."""

from __future__ import annotations

from typing import Any

from dataplane.api import registry
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from tests.support.compiling import message
from tests.support.engine import Engine, route


def compiled_extension(kind: str, full_name: str, content: dict[str, Any]) -> Any:
    """The compiled configuration of an extension; raises what compiling finds wrong."""
    compile_config = registry.find(kind, full_name)
    assert compile_config is not None, full_name
    context = CompileContext()
    found = compile_config(message(full_name, content), FieldPath(), context)
    context.problems.raise_if_any()
    return found


def http_filter(full_name: str, content: dict[str, Any]) -> Any:
    return compiled_extension("envoy.filters.http", full_name, content)


def engine_with(filter_config: object, per_route: object | None = None, **settings: Any) -> Engine:
    """One filter, and a route to `up` that may have its own configuration for it.  The engine names filters by their number."""
    routes = [route(per_filter_config={} if per_route is None else {"filter-0": per_route})]
    return Engine(filters=[filter_config], routes=routes, **settings)
