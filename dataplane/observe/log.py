"""The process's own log: Envoy's components, levels and format patterns on the standard library's logging.

Here: levels, component names, the spdlog pattern (`%Y-%m-%d %T.%e [%l] %v`).  Not here: access logs.
Envoy: --log-level, --component-log-level, --log-format, admin `/logging`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from typing import Final, TextIO

TRACE: Final = 5
CRITICAL: Final = logging.CRITICAL
OFF: Final = 100

LEVELS: Final[Mapping[str, int]] = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": CRITICAL,
    "off": OFF,
}
_NAMES: Final = {
    TRACE: "trace",
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    CRITICAL: "critical",
    OFF: "off",
}

# Envoy's component names: all exist from the start, so that a level can be set before the first line.
COMPONENTS: Final = (
    "admin", "alternate_protocols_cache", "aws", "assert", "backtrace", "basic_auth", "cache_filter", "client", "config", "connection",
    "conn_handler", "compression", "credential_injector", "decompression", "dns", "dynamic_modules", "dubbo", "envoy_bug",
    "ext_authz", "ext_proc", "file", "filter", "forward_proxy", "geolocation", "golang", "grpc", "happy_eyeballs", "hc", "health_checker",
    "http", "http2", "hystrix", "init", "io", "jwt", "kafka", "key_value_store", "lua", "main", "matcher", "misc", "mongo", "multi_connection",
    "oauth2", "quic", "quic_stream", "pool", "rate_limit_quota", "rbac", "redis", "rocketmq", "router", "runtime", "secret", "stats",
    "stateful_session", "tap", "testing", "thrift", "tracing", "udp", "upstream", "wasm", "websocket", "xds",
)  # fmt: skip

DEFAULT_PATTERN: Final = "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"


class UnknownLevel(ValueError):
    """A level name that Envoy does not have."""


def level_number(name: str) -> int:
    try:
        return LEVELS[name.lower()]
    except KeyError:
        known = "[trace][debug][info][warning|warn][error][critical][off]"
        raise UnknownLevel(f"invalid log level specified '{name}', expected one of {known}") from None


def level_name(number: int) -> str:
    return _NAMES.get(number, "info")


def parse_component_levels(text: str) -> dict[str, int]:
    """`upstream:debug,connection:trace` → levels by component.  Raises UnknownLevel; an unknown component is kept, as a new logger."""
    levels: dict[str, int] = {}
    for pair in filter(None, text.split(",")):
        component, separator, level = pair.partition(":")
        if not separator:
            raise UnknownLevel(f"component log level not correctly specified '{pair}'")
        levels[component.strip()] = level_number(level.strip())
    return levels


def component_levels() -> dict[str, int]:
    """The effective level of every component, for admin `/logging`."""
    known = {name: logging.getLogger(name) for name in COMPONENTS}
    return {name: logger.getEffectiveLevel() for name, logger in sorted(known.items())}


def set_level(level: int, component: str | None = None) -> None:
    """Set one component's level, or (component None) everyone's."""
    if component is not None:
        logging.getLogger(component).setLevel(level)
        return
    for name in COMPONENTS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger().setLevel(level)


def configure(
    level: int, component_levels: Mapping[str, int], pattern: str = DEFAULT_PATTERN, stream: TextIO | None = None, path: str = ""
) -> None:
    """Send everything to stderr (or to *path*) in *pattern*.  Called once, at the start of the process."""
    logging.addLevelName(TRACE, "TRACE")
    handler: logging.Handler = logging.FileHandler(path) if path else logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(PatternFormatter(pattern))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(level)
    # Libraries speak only when something is wrong, whatever our own level is.
    for library in ("asyncio", "aiohttp", "grpc", "concurrent"):
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
    for component, component_level in component_levels.items():
        logging.getLogger(component).setLevel(component_level)


_VERB: Final = re.compile(r"%([a-zA-Z#@!%^$])")
_STRFTIME: Final = frozenset("YmdHMSBbaApIjDyzTRr")


class PatternFormatter(logging.Formatter):
    """Renders a record by a spdlog pattern.  %v message, %j the message as part of a JSON string, %l level, %n component, %t thread, %P pid."""

    def __init__(self, pattern: str) -> None:
        super().__init__()
        self._pieces: list[str] = _VERB.split(pattern)

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        moment = time.localtime(record.created)
        out = ""
        for index, piece in enumerate(self._pieces):
            out += piece if index % 2 == 0 else _render(piece, record, message, moment)
        return out


def _render(verb: str, record: logging.LogRecord, message: str, moment: time.struct_time) -> str:
    match verb:
        case "v" | "_":
            return message
        case "j":
            return message.translate(_JSON_ESCAPES)
        case "l":
            return level_name(record.levelno)
        case "L":
            return level_name(record.levelno)[0].upper()
        case "n":
            return record.name
        case "t":
            return str(threading.get_native_id())
        case "P":
            return str(os.getpid())
        case "e":
            return f"{int(record.msecs):03d}"
        case "f":
            return f"{int(record.msecs * 1000):06d}"
        case "F":
            return f"{int(record.msecs * 1_000_000):09d}"
        case "E":
            return str(int(record.created))
        case "g" | "s":
            return record.filename
        case "#":
            return str(record.lineno)
        case "!":
            return record.funcName
        case "%":
            return "%"
        case _ if verb in _STRFTIME:
            return time.strftime(f"%{verb}", moment)
        case _:
            return ""  # colours and alignment marks (%^ %$) have no meaning in a log file


_JSON_ESCAPES: Final = {
    **{code: f"\\u{code:04x}" for code in range(0x20)},
    **str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}),
}
