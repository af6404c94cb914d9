"""An access logger behind a filter.  Envoy: config.accesslog.v3.AccessLog.filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo
    from dataplane.semantics.header_map import HeaderMap, RequestHeaders, ResponseHeaders

LogPredicate = Callable[["RequestHeaders | None", "ResponseHeaders | None", "StreamInfo"], bool]


class Logger(Protocol):
    """As api.access_logger.AccessLogger."""

    def log(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> None: ...


class FilteredLogger:
    """Logs what *wanted* holds for."""

    __slots__ = ("_log", "_wanted")

    def __init__(self, logger: Logger, wanted: LogPredicate) -> None:
        self._log = logger.log
        self._wanted = wanted

    def log(
        self,
        request: RequestHeaders | None,
        response: ResponseHeaders | None,
        trailers: HeaderMap | None,
        info: StreamInfo,
    ) -> None:
        if self._wanted(request, response, info):
            self._log(request, response, trailers, info)
