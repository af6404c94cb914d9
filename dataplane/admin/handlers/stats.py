"""`/stats` and `/stats/prometheus`."""

from __future__ import annotations

from collections.abc import Callable

import re2
from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext
from dataplane.observe import expose

_KINDS = ("Counters", "Gauges", "Histograms", "TextReadouts")


class _BadQuery(ValueError):
    """A query parameter that makes no sense."""


def stats(context: AdminContext, request: web.Request) -> web.Response:
    shape = request.query.get("format", "text")
    try:
        if shape == "prometheus":
            return prometheus(context, request)
        selection = _selection(request)
    except _BadQuery as error:
        return reply.bad_request(str(error))
    buckets = request.query.get("histogram_buckets", "")
    if buckets not in ("", "summary", "cumulative", "disjoint"):
        return reply.bad_request("usage: /stats?histogram_buckets=(summary|cumulative|disjoint)\n")
    context.refresh_stats()
    if shape == "json":
        return reply.json_text(expose.as_json(context.stats, selection))
    if shape in ("text", ""):
        return reply.text(expose.text(context.stats, selection, buckets))
    return reply.bad_request("usage: /stats?format=(text|json|prometheus)\n")


def prometheus(context: AdminContext, request: web.Request) -> web.Response:
    try:
        selection = _selection(request)
    except _BadQuery as error:
        return reply.bad_request(str(error))
    context.refresh_stats()
    with_texts = reply.flag(request, "text_readouts")
    return reply.text(expose.prometheus(context.stats, context.tags, selection, text_readouts=with_texts))


def _selection(request: web.Request) -> expose.Selection:
    kind = request.query.get("type", "All")
    if kind not in ("All", *_KINDS):
        raise _BadQuery("usage: /stats?type=(All|Counters|Histograms|Gauges|TextReadouts)\n")
    kinds = frozenset(_KINDS if kind == "All" else (kind,))
    return expose.Selection(used_only=reply.flag(request, "usedonly"), wanted=_filter(request), kinds=kinds)


def _filter(request: web.Request) -> Callable[[str], bool]:
    pattern = request.query.get("filter", "")
    if not pattern:
        return lambda name: True
    try:
        search = re2.compile(pattern).search
    except re2.error as error:
        raise _BadQuery(f"Invalid re2 regex: {error}\n") from error
    if reply.flag(request, "invert_filter"):
        return lambda name: search(name) is None
    return lambda name: search(name) is not None
