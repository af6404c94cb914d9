"""The regex engine of all matchers: RE2, the only one there is.  Envoy: envoy.regex_engines.google_re2."""

from __future__ import annotations

from envoy.extensions.regex_engines.v3.google_re2_pb2 import GoogleRE2

from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports

supports(GoogleRE2)


@extension("envoy.regex_engines", GoogleRE2.DESCRIPTOR.full_name)
def compile_config(config: GoogleRE2, at: FieldPath, context: CompileContext) -> None:
    """RE2 is what matching.regex uses anyway."""
