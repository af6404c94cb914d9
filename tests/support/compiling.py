"""Configuration written as Python dicts (or YAML text) → compiled values, for tests of what comes after compiling."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from google.protobuf.message import Message

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.bootstrap.text import parse_text
from dataplane.compile.context import CompileContext
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.message_types import message_class, type_url_of
from dataplane.compile.resource import compile_resource
from dataplane.routing.route import Route, RouteConfiguration

AnyMessage = TypeVar("AnyMessage", bound=Message)


def message(full_name: str, content: dict[str, Any] | str) -> Any:
    """The message that *content* (a dict, or a text in YAML or JSON) means."""
    found = message_class(full_name)
    assert found is not None, full_name
    made, run = found(), Conversion()
    text = content if isinstance(content, str) else json.dumps(content)
    fill(made, parse_text(text.encode(), "test.yaml"), FieldPath(), run)
    run.problems.raise_if_any()
    return made


def compiled(made: Message, context: CompileContext | None = None) -> Any:
    """The value of a resource that must be valid."""
    return compile_resource(type_url_of(made), made, context).value


def errors(made: Message, context: CompileContext | None = None) -> list[str]:
    """Every error of a resource as `path: reason`, the path without the resource."""
    try:
        compile_resource(type_url_of(made), made, context)
    except InvalidResource as error:
        return [_without_root(each) for each in error.errors]
    return []


def route_configuration(content: dict[str, Any], context: CompileContext | None = None) -> RouteConfiguration:
    """A compiled RouteConfiguration."""
    value = compiled(message("envoy.config.route.v3.RouteConfiguration", {"name": "test", **content}), context)
    assert isinstance(value, RouteConfiguration)
    return value


def virtual_host(*routes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A virtual host for every domain."""
    return {"name": "host", "domains": ["*"], "routes": list(routes), **fields}


def one_route(match: dict[str, Any], **fields: Any) -> Route:
    """The only route of a configuration; it goes to cluster `c` unless *fields* say otherwise."""
    if not {"route", "redirect", "direct_response", "non_forwarding_action"} & set(fields):
        fields["route"] = {"cluster": "c"}
    config = route_configuration({"virtual_hosts": [virtual_host({"match": match, **fields})]})
    return config.virtual_hosts[0].routes[0]


def _without_root(error: ConfigError) -> str:
    path = FieldPath()
    for step in error.at.steps:
        path = path / step
    return f"{path}: {error.reason}"
