"""Answers of the admin endpoint, with the headers that Envoy gives them."""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

_HEADERS: Final = {"cache-control": "no-cache, max-age=0", "x-content-type-options": "nosniff", "server": "envoy"}


def text(body: str, status: int = 200) -> web.Response:
    return web.Response(text=body, status=status, headers=_HEADERS, content_type="text/plain", charset="UTF-8")


def json_text(body: str) -> web.Response:
    """A body that is JSON already."""
    return web.Response(body=body.encode(), headers={**_HEADERS, "content-type": "application/json"})


def as_json(value: object) -> web.Response:
    """Indented by one space, as Envoy prints messages."""
    return json_text(json.dumps(value, indent=1) + "\n")


def html(body: str) -> web.Response:
    return web.Response(text=body, headers=_HEADERS, content_type="text/html", charset="UTF-8")


def bad_request(reason: str) -> web.Response:
    return text(reason, status=400)


def flag(request: web.Request, name: str) -> bool:
    """A query parameter that is on by being there (`?usedonly`, `?graceful=true`)."""
    value = request.query.get(name)
    return value is not None and value.lower() not in ("false", "0", "n", "no")
