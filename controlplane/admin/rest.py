"""The management API over REST: HTTP in, `Operations` called, JSON out; the event stream as server-sent events.

Here: the aiohttp application.  Not here: which path is which operation (routes), the OpenAPI document (openapi), what operations do.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from controlplane.admin import metrics
from controlplane.admin.browser import is_foreign
from controlplane.admin.openapi import document
from controlplane.admin.operations import Operations
from controlplane.admin.refusal import FORBIDDEN, NOT_FOUND, UNAUTHENTICATED, USAGE, Answer, answer_to, refuse
from controlplane.admin.routes import EVENTS_PATH, ROUTES, Route, assemble
from controlplane.admin.token import Token
from controlplane.api.json_form import Json, Malformed, to_json
from controlplane.api.v1 import management_pb2 as api
from controlplane.service.management import Management

log = logging.getLogger("api")

# A configuration of 10,000 clusters is about 10 MB of YAML.
MAX_BODY_BYTES = 64 * 1024 * 1024
# Proxies between us and the listener drop a silent connection after a minute or so.
KEEP_ALIVE_SECONDS = 15.0

OPEN_PATHS = frozenset({"/healthz", "/openapi.json"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STOPPING = web.AppKey("stopping", asyncio.Event)


def application(management: Management, operations: Operations, token: Token, *, any_host: bool) -> web.Application:
    """The REST API, health, metrics and the OpenAPI document.  any_host: names other than localhost lead here."""
    app = web.Application(middlewares=[_errors, _local(any_host), _authenticated(token)], client_max_size=MAX_BODY_BYTES)
    app[STOPPING] = asyncio.Event()
    app.on_shutdown.append(_stop_streams)
    for route in ROUTES:
        app.router.add_route(route.method, _pattern(route.path), _handler(route, operations))
    app.router.add_get(EVENTS_PATH, _event_stream(operations))
    app.router.add_get("/openapi.json", _openapi)
    app.router.add_get("/healthz", _health)
    app.router.add_get("/metrics", _metrics(management))
    return app


def _handler(route: Route, operations: Operations) -> Handler:
    names = {_python_name(name): name for name in re.findall(r"\{([^}]+)\}", route.path)}

    async def handle(request: web.Request) -> web.StreamResponse:
        path = {names[name]: text for name, text in request.match_info.items()}
        body = await _body(request)
        message = assemble(route, path, request.query.items(), body)
        response = await route.operation(operations, message)
        # A large answer is rendered in a thread: the same loop serves the proxies' streams.
        text = await asyncio.to_thread(lambda: json.dumps(to_json(response), ensure_ascii=False))
        return web.Response(text=text + "\n", content_type="application/json")

    return handle


async def _body(request: web.Request) -> Json:
    """JSON as it is; a body of YAML is one document to apply, so that `curl --data-binary @file` works."""
    if not request.can_read_body:
        return None
    text = (await request.read()).decode(errors="strict") if request.content_type != "application/json" else await request.text()
    if request.content_type in ("application/yaml", "application/x-yaml", "text/yaml"):
        return {"documents": [{"text": text, "source": "body"}]}
    if not text.strip():
        return None
    try:
        body: Json = json.loads(text)
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    return body


def _event_stream(operations: Operations) -> Handler:
    async def stream(request: web.Request) -> web.StreamResponse:
        unknown = request.query.keys() - {"group"}
        if unknown:
            raise Malformed(f"unknown query parameter {min(unknown)!r}")
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-store"})
        with operations.stream_events(api.StreamEventsRequest(group=request.query.get("group", ""))) as events:
            await response.prepare(request)
            await response.write(b": listening\n\n")
            try:
                await _forward(events, response, request.app[STOPPING])
            except ConnectionResetError:
                log.debug("the reader of an event stream is gone")
        return response

    return stream


async def _forward(events: AsyncIterator[api.Event], response: web.StreamResponse, stopping: asyncio.Event) -> None:
    """Until the reader goes (ConnectionResetError), is cut off, or the server stops."""
    stop = asyncio.ensure_future(stopping.wait())
    upcoming = asyncio.ensure_future(anext(events, None))
    try:
        while not stop.done():
            await asyncio.wait((upcoming, stop), timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not upcoming.done():
                await response.write(b": still here\n\n")
                continue
            event = upcoming.result()
            if event is None:
                return
            data = json.dumps(to_json(event), ensure_ascii=False)
            await response.write(f"event: {event.kind}\ndata: {data}\n\n".encode())
            upcoming = asyncio.ensure_future(anext(events, None))
    finally:
        upcoming.cancel()
        stop.cancel()


def _local(any_host: bool) -> Middleware:
    @web.middleware
    async def local(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_foreign(request.host, request.headers.get("origin"), any_host=any_host):
            return _refusal(refuse(FORBIDDEN, "a web page may not use this API"))
        return await handler(request)

    return local


def _authenticated(token: Token) -> Middleware:
    @web.middleware
    async def authenticated(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS and not token.admits(request.headers.get("authorization")):
            return _refusal(refuse(UNAUTHENTICATED, "a bearer token is required"), {"www-authenticate": "Bearer"})
        return await handler(request)

    return authenticated


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:  # from aiohttp itself: no such path, wrong method, body too large
        code = NOT_FOUND if error.status == 404 else USAGE._replace(http=error.status)
        return _refusal(refuse(code, error.reason), {name: error.headers[name] for name in ("allow",) if name in error.headers})
    except UnicodeDecodeError:
        return _refusal(refuse(USAGE, "the body is not UTF-8"))
    except Exception as error:
        answer = answer_to(error)
        if answer.code.http == 500:
            log.exception("%s %s failed", request.method, request.path)
        return _refusal(answer)


def _refusal(answer: Answer, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(to_json(answer.message), status=answer.code.http, headers=headers)


async def _openapi(request: web.Request) -> web.Response:
    return web.json_response(document())


async def _health(request: web.Request) -> web.Response:
    """The port opens only after the newest revision was published, so answering is the proof."""
    return web.Response(text="ok\n")


def _metrics(management: Management) -> Handler:
    async def expose(request: web.Request) -> web.StreamResponse:
        return web.Response(text=metrics.exposition(management), content_type="text/plain")

    return expose


async def _stop_streams(app: web.Application) -> None:
    app[STOPPING].set()


def _pattern(path: str) -> str:
    """Our path as aiohttp's: dots are not allowed in its names, and a resource's name may contain slashes."""
    return re.sub(r"\{([^}]+)\}", lambda found: "{" + _python_name(found[1]) + (":.+" if found[1] == "name" else "") + "}", path)


def _python_name(name: str) -> str:
    return name.replace(".", "__")
