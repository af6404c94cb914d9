"""AccessLog and SubstitutionFormatString.

Not here: the filters (access_log_filter), the loggers (extensions.access_loggers), format strings (observe.format).
Envoy: config.accesslog.v3.AccessLog, config.core.v3.SubstitutionFormatString.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, cast

from envoy.config.accesslog.v3.accesslog_pb2 import AccessLog
from envoy.config.core.v3.substitution_format_string_pb2 import SubstitutionFormatString

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.access_log_filter import compile_log_filter
from dataplane.compile.context import CompileContext
from dataplane.compile.data_source import read_data_source
from dataplane.compile.elsewhere import is_elsewhere
from dataplane.compile.fields import find_extension
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import struct_dict
from dataplane.observe.access_log import FilteredLogger
from dataplane.observe.format import Json, JsonFormat, TextFormat

if TYPE_CHECKING:
    from dataplane.api.access_logger import AccessLogger
    from dataplane.observe.log_file import LogFile

supports(AccessLog, "name", "filter", "typed_config")
supports(SubstitutionFormatString, "text_format", "json_format", "text_format_source", "omit_empty_values", "content_type")
ignores(SubstitutionFormatString, "json_format_options", because="keys are always sorted")

KIND: Final = "envoy.access_loggers"


def compile_access_logs(logs: Iterable[AccessLog], at: FieldPath, context: CompileContext) -> tuple[AccessLogger, ...]:
    """Errors go to the context."""
    compiled = []
    for index, log in enumerate(logs):
        with context.problems.collect():
            compiled.append(compile_access_log(log, at / index, context))
    return tuple(compiled)


def compile_access_log(log: AccessLog, at: FieldPath, context: CompileContext) -> AccessLogger:
    at_config = at / "typed_config"
    compile_config, config = find_extension(KIND, log.typed_config, log.name, at_config)
    logger: AccessLogger = compile_config(config, at_config, context)
    if not log.HasField("filter"):
        return logger
    return FilteredLogger(logger.log, compile_log_filter(log.filter, at / "filter", context))


def open_log(path: str, at: FieldPath, context: CompileContext) -> LogFile:
    """What can be known without opening it is looked at: the file is only made when there is something to write."""
    if not is_elsewhere() and (os.path.isdir(path) or not os.path.isdir(os.path.dirname(path) or ".")):
        raise ConfigError(at, f"unable to open file '{path}': No such file or directory")
    return context.log_files.open(path)


def compile_format(message: SubstitutionFormatString, at: FieldPath) -> TextFormat | JsonFormat:
    """The format; `content_type` is for the caller."""
    kind = message.WhichOneof("format")
    omit = message.omit_empty_values
    if kind == "json_format":
        return JsonFormat(cast("Mapping[str, Json]", struct_dict(message.json_format)), at / kind, omit_empty_values=omit)
    if kind == "text_format":
        return TextFormat(message.text_format, at / kind, omit_empty_values=omit)
    if kind == "text_format_source":
        text = read_data_source(message.text_format_source, at / kind).decode("utf-8", "replace")
        return TextFormat(text, at / kind, omit_empty_values=omit)
    raise ConfigError(at / "format", "is required")
