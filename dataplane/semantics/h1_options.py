"""What both sides of an HTTP/1 connection can be told: trailers, the case of names, targets, odd methods.

Not here: protobuf (compile.http1_options), what follows from the options (h1_head, the codecs).
Some options speak to one side only, as in Envoy; the other side keeps them without effect.
Envoy: config.core.v3.Http1ProtocolOptions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dataplane.semantics.header_case import PreserveCase


@dataclass(frozen=True, slots=True)
class Http1Options:
    """`Http1ProtocolOptions`.

    preserve_case: None unless names keep the case in which they came.  ignores_upgrade: says of an `upgrade` value, in the case it came
    in, whether it is overlooked; None: of none.  stream_error_on_invalid_http_message: own field or the manager's, already resolved.
    """

    allow_absolute_url: bool = True
    accept_http_10: bool = False
    default_host_for_http_10: bytes = b""
    proper_case_headers: bool = False
    preserve_case: PreserveCase | None = None
    enable_trailers: bool = False
    allow_chunked_length: bool = False
    stream_error_on_invalid_http_message: bool = False
    send_fully_qualified_url: bool = False
    allow_custom_methods: bool = False
    ignores_upgrade: Callable[[bytes], bool] | None = None


DEFAULT_HTTP1: Final = Http1Options()
