"""Access log to a file.  Envoy: envoy.access_loggers.file.

Not here: files and their writer thread (observe.log_file), formats (observe.format).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from envoy.extensions.access_loggers.file.v3.file_pb2 import FileAccessLog

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.access_log import KIND, compile_format, open_log
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.compile.units import struct_dict
from dataplane.extensions.common.line_logger import LineLogger
from dataplane.observe.format import DEFAULT_HTTP_FORMAT, Json, JsonFormat, TextFormat

supports(FileAccessLog, "path", "format", "json_format", "typed_json_format", "log_format")


@extension(KIND, FileAccessLog.DESCRIPTOR.full_name)
def compile_config(config: FileAccessLog, at: FieldPath, context: CompileContext) -> LineLogger:
    line = _format(config, at)
    return LineLogger(line, open_log(config.path, at / "path", context))


def _format(config: FileAccessLog, at: FieldPath) -> TextFormat | JsonFormat:
    kind = config.WhichOneof("access_log_format")
    if kind == "log_format":
        return compile_format(config.log_format, at / kind)
    if kind in ("json_format", "typed_json_format"):
        return JsonFormat(cast("Mapping[str, Json]", struct_dict(getattr(config, kind))), at / kind)
    return TextFormat(config.format or DEFAULT_HTTP_FORMAT, at / "format")
