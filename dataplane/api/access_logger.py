"""Access loggers: one line (or message) per stream or connection.  Envoy: config.accesslog.v3.AccessLog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from dataplane.observe.formatter_context import FormatterContext


class AccessLogger(Protocol):
    """Compiled and shared by all streams; its filter, where it has one, is inside."""

    def log(self, context: FormatterContext) -> None:
        """Called once at the end.  A TCP connection has no messages.  Never raises."""
