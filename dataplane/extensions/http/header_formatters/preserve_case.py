"""Header names keep the case that their sender gave them.  Envoy: envoy.http.stateful_header_formatters.preserve_case."""

from __future__ import annotations

from envoy.extensions.http.header_formatters.preserve_case.v3.preserve_case_pb2 import PreserveCaseFormatterConfig

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.http1_options import FORMATTER_KIND
from dataplane.compile.support import supports
from dataplane.semantics.header_case import PreserveCase

supports(PreserveCaseFormatterConfig, "forward_reason_phrase", "formatter_type_on_envoy_headers")


@extension(FORMATTER_KIND, PreserveCaseFormatterConfig.DESCRIPTOR.full_name)
def compile_config(config: PreserveCaseFormatterConfig, at: FieldPath, context: CompileContext) -> PreserveCase:
    return PreserveCase(
        forward_reason_phrase=config.forward_reason_phrase,
        others_proper=config.formatter_type_on_envoy_headers == PreserveCaseFormatterConfig.PROPER_CASE,
    )
