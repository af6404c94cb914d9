"""The OpenAPI document of the REST API, made from the table of routes and the messages, so that it cannot differ from them.

Here: descriptors to JSON Schema.  Not here: the routes (routes), the JSON they describe (json_form).
Spec: OpenAPI 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from controlplane.admin.routes import EVENTS_PATH, ROUTES, WHOLE, Route, is_query_field
from controlplane.api.descriptors import Field, MessageType
from controlplane.api.v1 import management_pb2 as api

Schema = dict[str, Any]

_WELL_KNOWN: dict[str, Schema] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Any": {
        "type": "object",
        "description": "An Envoy v3 resource as JSON with its @type.",
        "required": ["@type"],
        "properties": {"@type": {"type": "string"}},
        "additionalProperties": True,
    },
}
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
}
_REFUSAL = {"description": "Refused", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}}


def document() -> dict[str, Any]:
    """The whole document, as JSON values."""
    schemas: dict[str, Schema] = {}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    paths[EVENTS_PATH] = {"get": _events(schemas)}
    paths["/healthz"] = {"get": _plain("healthCheck", "Answers once the newest revision is published", "text/plain")}
    paths["/metrics"] = {"get": _plain("metrics", "Metrics in Prometheus' text format", "text/plain", secured=True)}
    paths["/openapi.json"] = {"get": _plain("openapi", "This document", "application/json")}
    _add_schema(api.Refusal.DESCRIPTOR, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Pointsman management API", "version": "v1", "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _operation(route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    in_path = re.findall(r"\{([^}]+)\}", route.path)
    operation: dict[str, Any] = {
        "operationId": _camel(route.operation.__name__),
        "summary": route.summary,
        "parameters": [_parameter(name, "path", {"type": "string"}) for name in in_path],
        "responses": {"200": _content(route.response.DESCRIPTOR, schemas), "default": _REFUSAL},
    }
    query = [field for field in route.request.DESCRIPTOR.fields if is_query_field(field) and field.name not in in_path]
    operation["parameters"] += [_parameter(field.name, "query", _SCALARS[field.type]) for field in query]
    if route.body:
        operation["requestBody"] = _request_body(route, schemas)
    return operation


def _request_body(route: Route, schemas: dict[str, Schema]) -> dict[str, Any]:
    whole = route.request.DESCRIPTOR
    field = whole.fields_by_name.get(route.body)
    body = _content(whole if field is None else _message_of(field), schemas)
    if whole is api.ApplyRequest.DESCRIPTOR and route.body == WHOLE:
        body["content"]["application/yaml"] = {"schema": {"type": "string", "description": "Documents of resources with @type."}}
    return body


def _content(message: MessageType, schemas: dict[str, Schema]) -> dict[str, Any]:
    return {"description": message.name, "content": {"application/json": {"schema": _add_schema(message, schemas)}}}


def _add_schema(message: MessageType, schemas: dict[str, Schema]) -> Schema:
    """A reference to the message's schema, which is added if it is not there yet."""
    if message.full_name in _WELL_KNOWN:
        return _WELL_KNOWN[message.full_name]
    if message.name not in schemas:
        schemas[message.name] = {}  # before its fields: a message may contain itself
        properties = {field.name: _field(field, schemas) for field in message.fields}
        schemas[message.name] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"$ref": f"#/components/schemas/{message.name}"}


def _field(field: Field, schemas: dict[str, Schema]) -> Schema:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {"type": "object", "additionalProperties": _single(field.message_type.fields_by_name["value"], schemas)}
    single = _single(field, schemas)
    return {"type": "array", "items": single} if field.is_repeated else single


def _single(field: Field, schemas: dict[str, Schema]) -> Schema:
    if field.message_type is not None:
        return _add_schema(field.message_type, schemas)
    if field.enum_type is not None:
        return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
    return _SCALARS[field.type]


def _message_of(field: Field) -> MessageType:
    assert field.message_type is not None
    return field.message_type


def _parameter(name: str, where: str, schema: Schema) -> dict[str, Any]:
    return {"name": name, "in": where, "required": where == "path", "schema": schema}


def _events(schemas: dict[str, Schema]) -> dict[str, Any]:
    event = _add_schema(api.Event.DESCRIPTOR, schemas)
    described = {"description": "One Event as JSON in each data line", "content": {"text/event-stream": {"schema": event}}}
    return {
        "operationId": "streamEvents",
        "summary": "What happens from now on, as server-sent events",
        "parameters": [_parameter("group", "query", {"type": "string"})],
        "responses": {"200": described, "default": _REFUSAL},
    }


def _plain(name: str, summary: str, content_type: str, *, secured: bool = False) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {content_type: {}}}},
    }
    return operation if secured else operation | {"security": []}


def _camel(name: str) -> str:
    head, *rest = _words(name)
    return head + "".join(map(str.title, rest))


def _words(name: str) -> Iterator[str]:
    return iter(name.split("_"))
