"""`/listeners`: the listeners that there are and where, as in Envoy also those that accept no more."""

from __future__ import annotations

from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext
from dataplane.base.address import Address, InternalAddress, SocketAddress


def listeners(context: AdminContext, request: web.Request) -> web.Response:
    facts = context.listeners()
    if request.query.get("format") == "json":
        statuses = []
        for each in facts:
            status: dict[str, object] = {"name": each.name, "local_address": address_json(each.addresses[0])}
            if len(each.addresses) > 1:
                status["additional_local_addresses"] = [address_json(address) for address in each.addresses[1:]]
            statuses.append(status)
        return reply.as_json({"listener_statuses": statuses} if statuses else {})
    return reply.text("".join(f"{each.name}::{address}\n" for each in facts for address in each.addresses))


def address_json(address: Address) -> dict[str, object]:
    """config.core.v3.Address as JSON."""
    if isinstance(address, SocketAddress):
        return {"socket_address": {"address": address.host, "port_value": address.port}}
    if isinstance(address, InternalAddress):
        return {"envoy_internal_address": {"server_listener_name": address.listener_name}}
    return {"pipe": {"path": address.path}}
