"""The access log of the admin endpoint: what aiohttp knows of one exchange, as the facts that compiled access loggers read.

Not here: loggers and formats (compile.access_log, observe.format).
Envoy: config.bootstrap.v3.Admin.access_log.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from typing import Final

from aiohttp.abc import AbstractAccessLogger
from aiohttp.web import BaseRequest, StreamResponse

from dataplane.api.access_logger import AccessLogger
from dataplane.base.address import Address, PipeAddress, SocketAddress
from dataplane.http.local_address import local_address
from dataplane.observe.formatter_context import FormatterContext
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders, ResponseHeaders

_DETAILS: Final = "admin_filter_response"
_FORWARDED_FOR: Final = b"x-forwarded-for"
_FORWARDED_PROTO: Final = b"x-forwarded-proto"


def request_log(loggers: Sequence[AccessLogger]) -> type[AbstractAccessLogger]:
    """The class that aiohttp makes one object of for each connection, and calls after each response."""
    connections = itertools.count()

    class RequestLog(AbstractAccessLogger):
        def __init__(self, logger: object, log_format: str) -> None:
            self.connection_id = next(connections)

        def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
            info = _facts(request, response, time)
            info.connection_id = self.connection_id
            context = FormatterContext(info, _request_headers(request), _response_headers(response))
            for logger in loggers:
                logger.log(context)

    return RequestLog


def _facts(request: BaseRequest, response: StreamResponse, duration: float) -> StreamInfo:
    info = StreamInfo()
    info.end_at = time.monotonic()
    info.start_at = info.request_end_at = info.end_at - duration
    info.start_wall = time.time() - duration
    info.protocol = f"HTTP/{request.version.major}.{request.version.minor}"
    info.response_code = response.status
    info.response_code_details = _DETAILS
    info.bytes_received = request.content.total_bytes
    info.bytes_sent = _body_size(request, response)
    peer = _address(request.get_extra_info("peername"))
    info.downstream_remote_address = info.downstream_direct_remote_address = peer
    info.downstream_local_address = _address(request.get_extra_info("sockname"))
    return info


def _body_size(request: BaseRequest, response: StreamResponse) -> int:
    """Without the head, which aiohttp's own count includes."""
    return 0 if request.method == "HEAD" else response.content_length or 0


def _address(name: object) -> Address | None:
    """What a transport calls an end of its connection; the end of a Unix socket that dialled has no name."""
    if isinstance(name, tuple):
        return SocketAddress(str(name[0]), int(name[1]))
    return PipeAddress(str(name)) if name else None


def _request_headers(request: BaseRequest) -> RequestHeaders:
    """The head with what Envoy's admin endpoint adds to every one: who forwarded it (itself), by what scheme."""
    fields = [(name.lower(), value) for name, value in request.raw_headers if name.lower() != b"host"]
    headers = RequestHeaders(request.method.encode(), request.raw_path.encode(), request.host.encode(), fields=fields)
    before = headers.joined(_FORWARDED_FOR)
    here = local_address().encode()
    headers.remove(_FORWARDED_FOR)
    headers.add(_FORWARDED_FOR, here if before is None else before + b"," + here)
    if _FORWARDED_PROTO not in headers:
        headers.add(_FORWARDED_PROTO, b"http")
    return headers


def _response_headers(response: StreamResponse) -> ResponseHeaders:
    fields = [(name.lower().encode(), value.encode()) for name, value in response.headers.items()]
    return ResponseHeaders(response.status, fields)
