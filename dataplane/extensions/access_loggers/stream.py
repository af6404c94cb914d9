"""Access log to standard output or standard error.  Envoy: envoy.access_loggers.stdout, envoy.access_loggers.stderr."""

from __future__ import annotations

from envoy.extensions.access_loggers.stream.v3.stream_pb2 import StderrAccessLog, StdoutAccessLog

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.access_log import KIND, compile_format
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.extensions.common.line_logger import LineLogger
from dataplane.observe.format import DEFAULT_HTTP_FORMAT, JsonFormat, TextFormat

supports(StdoutAccessLog, "log_format")
supports(StderrAccessLog, "log_format")


@extension(KIND, StdoutAccessLog.DESCRIPTOR.full_name)
def compile_stdout(config: StdoutAccessLog, at: FieldPath, context: CompileContext) -> LineLogger:
    return LineLogger(_format(config, at), context.log_files.open("/dev/stdout"))


@extension(KIND, StderrAccessLog.DESCRIPTOR.full_name)
def compile_stderr(config: StderrAccessLog, at: FieldPath, context: CompileContext) -> LineLogger:
    return LineLogger(_format(config, at), context.log_files.open("/dev/stderr"))


def _format(config: StdoutAccessLog | StderrAccessLog, at: FieldPath) -> TextFormat | JsonFormat:
    if not config.HasField("log_format"):
        return TextFormat(DEFAULT_HTTP_FORMAT, at)
    return compile_format(config.log_format, at / "log_format")
