"""An access logger behind a filter.  Envoy: config.accesslog.v3.AccessLog.filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.observe.formatter_context import FormatterContext

LogPredicate = Callable[["FormatterContext"], bool]


class FilteredLogger:
    """Implements api.access_logger.AccessLogger: logs what *wanted* holds for."""

    __slots__ = ("_log", "_wanted")

    def __init__(self, log: Callable[[FormatterContext], None], wanted: LogPredicate) -> None:
        self._log = log
        self._wanted = wanted

    def log(self, context: FormatterContext) -> None:
        if self._wanted(context):
            self._log(context)
