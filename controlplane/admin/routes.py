"""REST: which method and path is which operation, and where the parts of its request come from.

Here: the table, and request assembly from path, query and body.  Not here: aiohttp (rest), the document about it (openapi).
What the table does not place in the path or the body comes from the query: scalar fields by their name in the .proto file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from controlplane.admin.operations import Operations
from controlplane.api.descriptors import Field
from controlplane.api.json_form import Json, Malformed, from_json
from controlplane.api.v1 import management_pb2 as api

# Each operation takes its own request class; the table pairs them.
Operation = Callable[[Operations, Any], Awaitable[Message]]

WHOLE = "*"  # the body is the request itself


class Route(NamedTuple):
    """One REST operation.  path: names in braces are fields of the request, dots descend.  body: the field it fills, WHOLE or none."""

    method: str
    path: str
    operation: Operation
    request: type[Message]
    response: type[Message]
    summary: str
    body: str = ""


_RESOURCE = "/v1/groups/{group}/resources/{type_url}/{name}"

ROUTES = (
    Route("POST", "/v1/apply", Operations.apply, api.ApplyRequest, api.ApplyResponse, "Make a change as one revision", WHOLE),
    Route(
        "GET", "/v1/resources", Operations.list_resources, api.ListResourcesRequest, api.ListResourcesResponse, "List resources"
    ),
    Route("GET", _RESOURCE, Operations.get_resource, api.GetResourceRequest, api.Resource, "Get one resource"),
    Route("DELETE", _RESOURCE, Operations.delete_resource, api.DeleteResourceRequest, api.ApplyResponse, "Delete one resource"),
    Route("GET", "/v1/groups", Operations.list_groups, api.ListGroupsRequest, api.ListGroupsResponse, "List groups"),
    Route("GET", "/v1/groups/{name}", Operations.get_group, api.GetGroupRequest, api.Group, "Get one group"),
    Route("PUT", "/v1/groups/{group.name}", Operations.put_group, api.PutGroupRequest, api.ApplyResponse, "Put a group", "group"),
    Route("DELETE", "/v1/groups/{name}", Operations.delete_group, api.DeleteGroupRequest, api.ApplyResponse, "Delete a group"),
    Route(
        "GET", "/v1/revisions", Operations.list_revisions, api.ListRevisionsRequest, api.ListRevisionsResponse, "List revisions"
    ),
    Route("GET", "/v1/revisions/{revision}", Operations.get_revision, api.GetRevisionRequest, api.Revision, "Get one revision"),
    Route(
        "POST",
        "/v1/revisions/{revision}/rollback",
        Operations.roll_back,
        api.RollBackRequest,
        api.ApplyResponse,
        "Make a new revision equal to this one",
        WHOLE,
    ),
    Route(
        "GET", "/v1/diff", Operations.diff_revisions, api.DiffRevisionsRequest, api.DiffRevisionsResponse, "Compare two revisions"
    ),
    Route(
        "GET", "/v1/proxies", Operations.list_proxies, api.ListProxiesRequest, api.ListProxiesResponse, "List connected proxies"
    ),
)
EVENTS_PATH = "/v1/events"


def assemble(route: Route, path: Mapping[str, str], query: Iterable[tuple[str, str]], body: Json) -> Message:
    """The request message.  Raises Malformed, which names the field."""
    request = route.request()
    if body is not None and not route.body:
        raise Malformed(f"{route.method} {route.path} takes no body")
    if body is not None:
        from_json(body, request if route.body == WHOLE else getattr(request, route.body))
    for name, text in query:
        field = request.DESCRIPTOR.fields_by_name.get(name)
        if field is None or not is_query_field(field):
            raise Malformed(f"unknown query parameter {name!r}")
        set_scalar(request, field, text)
    for name, text in path.items():
        *parents, last = name.split(".")
        owner = request
        for parent in parents:
            owner = getattr(owner, parent)
        set_scalar(owner, owner.DESCRIPTOR.fields_by_name[last], text)
    return request


def is_query_field(field: Field) -> bool:
    return not field.is_repeated and field.message_type is None and field.type != FieldDescriptor.TYPE_BYTES


def set_scalar(message: Message, field: Field, text: str) -> None:
    """Raises Malformed."""
    try:
        setattr(message, field.name, _SCALARS[field.cpp_type](text))
    except ValueError as error:
        raise Malformed(f"{field.name}: {text!r} is not a valid {_WORDS[field.cpp_type]}") from error


def _boolean(text: str) -> bool:
    values = {"true": True, "1": True, "": True, "false": False, "0": False}
    if text not in values:
        raise ValueError(text)
    return values[text]


_SCALARS: Mapping[int, Callable[[str], object]] = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: _boolean,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_INT32: int,
}
_WORDS: Mapping[int, str] = {
    FieldDescriptor.CPPTYPE_STRING: "string",
    FieldDescriptor.CPPTYPE_BOOL: "boolean",
    FieldDescriptor.CPPTYPE_UINT32: "number",
    FieldDescriptor.CPPTYPE_INT32: "number",
}
