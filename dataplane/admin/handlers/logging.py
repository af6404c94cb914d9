"""`/logging`: levels of the process's log."""

from __future__ import annotations

from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext
from dataplane.observe import log

_USAGE = (
    "usage: /logging?<name>=<level> (change single level)\n"
    "usage: /logging?paths=name1:level1,name2:level2,... (change multiple levels)\n"
    "usage: /logging?level=<level> (change all levels)\n"
    "levels: trace debug info warning error critical off \n"
)


def logging(context: AdminContext, request: web.Request) -> web.Response:
    """Without parameters it shows; with `level=L`, `NAME=L` or `paths=a:L,b:L` it changes first."""
    if len(request.query) > 1:
        return reply.bad_request("invalid number of parameters\n" + _USAGE)
    try:
        for name, value in request.query.items():
            _change(name, value)
    except (log.UnknownLevel, LookupError) as error:
        return reply.bad_request(f"error: {error}\n{_USAGE}")
    if context.workers is not None and request.query:
        context.workers.set_levels(log.component_levels())
    lines = "".join(f"  {name}: {log.level_name(level)}\n" for name, level in log.component_levels().items())
    return reply.text(f"active loggers:\n{lines}\n")


def _change(name: str, value: str) -> None:
    if name == "level":
        log.set_level(log.level_number(value))
        return
    pairs = log.parse_component_levels(value) if name == "paths" else {name: log.level_number(value)}
    for component in pairs:
        if component not in log.COMPONENTS:
            raise LookupError(f"unknown logger name {component}")
    for component, level in pairs.items():
        log.set_level(level, component)
