"""`/ready`, `/server_info`, `/memory`, `/hot_restart_version`, `/runtime`, `/certs`: the process itself."""

from __future__ import annotations

import resource
import time

from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext, ServerState
from dataplane.base.version import version_string


def ready(context: AdminContext, request: web.Request) -> web.Response:
    """200 and LIVE while traffic is welcome, else 503 and the state."""
    state = context.lifecycle.state
    return reply.text(state.name + "\n", status=200 if state is ServerState.LIVE else 503)


def server_info(context: AdminContext, request: web.Request) -> web.Response:
    """Envoy: admin.v3.ServerInfo."""
    now = time.time()
    first = context.started_wall if context.first_started_wall is None else context.first_started_wall()
    node = _node(context)
    return reply.as_json(
        {
            "version": version_string(),
            "state": context.lifecycle.state.name,
            "uptime_current_epoch": f"{int(now - context.started_wall)}s",
            "uptime_all_epochs": f"{int(now - first)}s",
            "hot_restart_version": context.hot_restart_version,
            "command_line_options": dict(context.command_line),
            "node": node,
            "hot_restart_initializing": False,
        }
    )


def _node(context: AdminContext) -> object:
    from envoy.config.bootstrap.v3 import bootstrap_pb2
    from google.protobuf import json_format

    bootstrap = bootstrap_pb2.Bootstrap.FromString(context.bootstrap())
    return json_format.MessageToDict(bootstrap.node, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def memory(context: AdminContext, request: web.Request) -> web.Response:
    """Envoy: admin.v3.Memory.  An interpreter knows its resident size and peak; the allocator's inner figures are not to be had."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        resident = int(statm.read().split()[1]) * resource.getpagesize()
    elsewhere = 0 if context.workers is None else context.workers.resident
    resident += elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + elsewhere
    return reply.as_json(
        {
            "allocated": str(resident),
            "heap_size": str(peak),
            "pageheap_unmapped": "0",
            "pageheap_free": "0",
            "total_thread_cache": "0",
            "total_physical_bytes": str(resident),
        }
    )


def hot_restart_version(context: AdminContext, request: web.Request) -> web.Response:
    return reply.text(context.hot_restart_version)


def runtime(context: AdminContext, request: web.Request) -> web.Response:
    """Layers, lowest first, and for each key its value in every layer and the one that counts."""
    layers = context.runtime()
    keys = sorted({key for _, values in layers for key in values})
    entries = {}
    for key in keys:
        values = [values.get(key, "") for _, values in layers]
        entries[key] = {"layer_values": values, "final_value": next((value for value in reversed(values) if value), "")}
    return reply.as_json({"entries": entries, "layers": [name for name, _ in layers]})
