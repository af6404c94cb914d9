"""Requests to the admin endpoint as its access loggers see them, over a real socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import ClientSession, UnixConnector, web

from dataplane.admin.request_log import request_log
from dataplane.base.errors import FieldPath
from dataplane.http.local_address import local_address
from dataplane.observe.format import TextFormat
from dataplane.observe.formatter_context import FormatterContext


class Lines:
    """An access logger that keeps its lines."""

    def __init__(self, text: str) -> None:
        self._render = TextFormat(text, FieldPath()).render
        self.lines: list[str] = []

    def log(self, context: FormatterContext) -> None:
        self.lines.append(self._render(context).decode("latin-1"))


Asked = tuple[str, str, bytes | None, dict[str, str]]  # method, path, body, headers


def logged(text: str, *requests: Asked, pipe: Path | None = None) -> list[str]:
    """Ask an application that answers everything with the five bytes `LIVE\\n`, over one connection."""
    log = Lines(text)

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(text="LIVE\n", status=200 if request.path != "/nope" else 404, headers={"x-b": "c"})

    async def run() -> None:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(application, access_log_class=request_log([log]))
        await runner.setup()
        site = web.UnixSite(runner, str(pipe)) if pipe else web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base = "http://admin" if pipe else f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with ClientSession(connector=UnixConnector(str(pipe)) if pipe else None) as session:
            for method, path, body, headers in requests:
                async with session.request(method, base + path, data=body, headers=headers) as response:
                    await response.read()
        await runner.cleanup()

    asyncio.run(run())
    return log.lines


def test_method_path_status_and_sizes() -> None:
    text = "%PROTOCOL% %REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_RECEIVED% %BYTES_SENT%"
    asked: list[Asked] = [
        ("GET", "/ready?x=1", None, {}),
        ("POST", "/logging", b"abc", {}),
        ("GET", "/nope", None, {}),
        ("HEAD", "/", None, {}),
    ]
    assert logged(text, *asked) == [
        "HTTP/1.1 GET /ready?x=1 200 - admin_filter_response 0 5",
        "HTTP/1.1 POST /logging 200 - admin_filter_response 3 5",
        "HTTP/1.1 GET /nope 404 - admin_filter_response 0 5",
        "HTTP/1.1 HEAD / 200 - admin_filter_response 0 0",
    ]


def test_headers_and_who_asked() -> None:
    text = "%REQ(X-A)% %REQ(X-FORWARDED-FOR)% %REQ(X-FORWARDED-PROTO)% %RESP(X-B)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %CONNECTION_ID%"
    here = local_address()
    asked: list[Asked] = [
        ("GET", "/", None, {"X-A": "b"}),
        ("GET", "/", None, {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}),
    ]
    assert logged(text, *asked) == [f"b {here} http c 127.0.0.1 0", f"- 198.51.100.7,{here} https c 127.0.0.1 0"]


def test_the_times_are_those_of_the_exchange() -> None:
    [line] = logged("%START_TIME(%Y)% %DURATION%", ("GET", "/", None, {}))
    year, duration = line.split()
    assert int(year) > 2000
    assert int(duration) < 10_000


def test_over_a_unix_socket_the_peer_has_no_name(tmp_path: Path) -> None:
    text = "%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS%"
    assert logged(text, ("GET", "/", None, {}), pipe=tmp_path / "s") == [f"- {tmp_path / 's'}"]
