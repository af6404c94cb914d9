"""An access logger that writes one line per stream or connection: what the loggers to files and to standard streams share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataplane.observe.format import JsonFormat, TextFormat
from dataplane.observe.log_file import LogFile

if TYPE_CHECKING:
    from dataplane.observe.formatter_context import FormatterContext


class LineLogger:
    """Implements api.access_logger.AccessLogger."""

    __slots__ = ("_file", "_line")

    def __init__(self, line: TextFormat | JsonFormat, file: LogFile) -> None:
        self._line = line
        self._file = file

    def log(self, context: FormatterContext) -> None:
        self._file.write(self._line.render(context))
