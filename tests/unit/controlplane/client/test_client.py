"""The client beside a server that keeps what it was sent."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web
from aiohttp.test_utils import TestServer

from controlplane.client.client import Client
from controlplane.client.resources import Document


def test_documents_of_more_than_a_megabyte_are_sent() -> None:
    """Warnings are errors here, and the library warns of large bodies that it is given whole."""
    text = json.dumps({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "x" * (2 << 20)})

    async def run() -> tuple[str, object]:
        received: list[tuple[str, object]] = []

        async def take(request: web.Request) -> web.Response:
            received.append((request.content_type, await request.json()))
            return web.json_response({})

        app = web.Application(client_max_size=8 << 20)
        app.router.add_post("/v1/apply", take)
        async with TestServer(app) as server, Client(str(server.make_url("")).rstrip("/")) as client:
            await client.apply(documents=[Document(text)], group="all")
        return received[0]

    content_type, body = asyncio.run(run())
    assert content_type == "application/json"
    assert "x" * (2 << 20) in json.dumps(body)
