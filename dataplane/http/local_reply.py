"""Answers that we make ourselves: their headers and bodies, as configured.

Here: from a status and a text to a response.  Not here: sending it (http.stream), who makes which reply.
Order of fields as Envoy: what the maker of the reply adds, content-length, content-type; without a body none of the two.
Envoy: Http::Utility::sendLocalReply, LocalReplyConfig.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from dataplane.observe.formatter_context import FormatterContext
from dataplane.routing.header_mutations import apply_additions
from dataplane.semantics.grpc import is_grpc
from dataplane.semantics.header_map import Field, RequestHeaders, ResponseHeaders

if TYPE_CHECKING:
    from dataplane.http.config import LocalReplyConfig, ReplyFormat
    from dataplane.observe.stream_info import StreamInfo

_PLAIN_TEXT: Final = b"text/plain"
_GRPC: Final = b"application/grpc"
# Envoy: Grpc::Utility::httpToGrpcStatus.
_GRPC_STATUS: Final = {400: b"13", 401: b"16", 403: b"7", 404: b"12", 429: b"14", 502: b"14", 503: b"14", 504: b"14"}
_GRPC_UNKNOWN: Final = b"2"
_NOT_IN_GRPC_MESSAGE: Final = re.compile(rb"[^\x20-\x24\x26-\x7e]")


def make(
    request: RequestHeaders | None,
    info: StreamInfo,
    config: LocalReplyConfig | None,
    status: int,
    body: bytes,
    added: tuple[Field, ...],
    grpc_status: int | None = None,
) -> tuple[ResponseHeaders, bytes]:
    """The head and the body to send.  For HEAD the head tells of a body that is then not sent.

    grpc_status: for gRPC clients; None: what *status* stands for.
    """
    headers = ResponseHeaders(status, list(added))
    content_type = _PLAIN_TEXT
    info.response_code = status
    info.local_reply_body = body
    if config is not None:
        body, content_type = _rewrite(config, FormatterContext(info, request, headers), headers, body)
    if request is not None and is_grpc(request):
        return _as_grpc(request, headers, body, grpc_status), b""
    if body:
        headers.set(b"content-length", b"%d" % len(body))
        if b"content-type" not in headers:
            headers.add(b"content-type", content_type)
    return headers, body


def _rewrite(config: LocalReplyConfig, context: FormatterContext, headers: ResponseHeaders, body: bytes) -> tuple[bytes, bytes]:
    """Apply the first mapper that matches, then the format."""
    reply_format: ReplyFormat | None = config.body_format
    for mapper in config.mappers:
        if not mapper.matches(context):
            continue
        if mapper.body is not None:
            body = mapper.body
        apply_additions(mapper.headers_to_add, headers, context)
        if mapper.status_code is not None:
            headers.status = context.info.response_code = mapper.status_code
        reply_format = mapper.body_format or reply_format
        break
    if reply_format is None:
        return body, _PLAIN_TEXT
    context.info.local_reply_body = body
    return reply_format.text(context), reply_format.content_type


def _as_grpc(request: RequestHeaders, headers: ResponseHeaders, body: bytes, grpc_status: int | None) -> ResponseHeaders:
    """gRPC clients read trailers, never a status or a body: 200 with everything in the head."""
    status = _GRPC_STATUS.get(headers.status, _GRPC_UNKNOWN) if grpc_status is None else b"%d" % grpc_status
    fields: list[Field] = [(b"content-type", _GRPC), (b"grpc-status", status)]
    if body and request.method != b"HEAD":
        fields.append((b"grpc-message", _NOT_IN_GRPC_MESSAGE.sub(lambda match: b"%%%02X" % match[0][0], body)))
    return ResponseHeaders(200, [*(field for field in headers.fields if field[0] != b"content-type"), *fields])
