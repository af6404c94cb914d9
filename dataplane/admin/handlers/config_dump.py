"""`/config_dump`: the configuration in use and what was refused, as JSON of admin.v3.ConfigDump.

Parameters as Envoy's: `resource` (one repeated field of one section), `mask` (field mask), `name_regex`, `include_eds`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import re2
from aiohttp import web
from google.protobuf import json_format
from google.protobuf.message import Message

from dataplane.admin import reply
from dataplane.admin.config_dump import PREFIX, sections
from dataplane.admin.context import AdminContext


def config_dump(context: AdminContext, request: web.Request) -> web.Response:
    pattern = request.query.get("name_regex", "")
    wanted: Callable[[str], bool] = lambda name: True  # noqa: E731 - a default, replaced below
    if pattern:
        try:
            compiled = re2.compile(pattern)
        except re2.error as error:
            return reply.bad_request(f"Error while parsing name_regex from {pattern}: {error}\n")
        wanted = lambda name: compiled.fullmatch(name) is not None  # noqa: E731
    dumps = sections(context, include_eds=reply.flag(request, "include_eds"), wanted=wanted)
    mask = [path.split(".") for path in filter(None, request.query.get("mask", "").split(","))]
    field = request.query.get("resource", "")
    if field:
        return _one_field(dumps, field, mask)
    if mask:
        dumps = [dump for dump in dumps if all(path[0] in dump.DESCRIPTOR.fields_by_name for path in mask)]
        if not dumps:
            return reply.bad_request(f"FieldMask {request.query['mask']} could not be successfully used.\n")
    return reply.as_json({"configs": [_json(dump, mask) for dump in dumps]})


def _one_field(dumps: Iterable[Message], field: str, mask: Sequence[list[str]]) -> web.Response:
    for dump in dumps:
        if field not in dump.DESCRIPTOR.fields_by_name:
            continue
        value = getattr(dump, field)
        if isinstance(value, Message):
            return reply.as_json({"configs": [_json(value, mask)]})
        return reply.as_json({"configs": [_json(item, mask) for item in value]} if len(value) else {})
    return reply.text(f"{field} not found in config dump", status=404)


def _json(message: Message, mask: Sequence[list[str]]) -> dict[str, Any]:
    found = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return {"@type": PREFIX + message.DESCRIPTOR.full_name, **(_trim(found, mask) if mask else found)}


def _trim(value: Any, paths: Sequence[Sequence[str]]) -> Any:
    """What the paths of a field mask leave of a message; a path goes into each element of a repeated field."""
    if any(not path for path in paths):
        return value
    if isinstance(value, list):
        return [_trim(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {"@type": value["@type"]} if "@type" in value else {}
    for name, inner in value.items():
        below = [path[1:] for path in paths if path[0] == name]
        if below:
            kept[name] = _trim(inner, below)
    return kept
