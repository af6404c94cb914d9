"""HttpConnectionManager.original_ip_detection_extensions → what reads the address of who asks.

Not here: the extensions themselves (extensions.http.original_ip_detection), what is made of the address (http.request_headers).
"""

from __future__ import annotations

from typing import Final

from envoy.extensions.filters.network.http_connection_manager.v3.http_connection_manager_pb2 import HttpConnectionManager

from dataplane.api.original_ip import IpDetector
from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.fields import find_extension

KIND: Final = "envoy.http.original_ip_detection"


def compile_ip_detectors(message: HttpConnectionManager, at: FieldPath, context: CompileContext) -> tuple[IpDetector, ...]:
    """Errors of parts go to the context."""
    place = at / "original_ip_detection_extensions"
    if message.original_ip_detection_extensions and message.use_remote_address.value:
        raise ConfigError(place, "Original IP detection extensions and use_remote_address may not be mixed")
    if message.original_ip_detection_extensions and message.xff_num_trusted_hops:
        raise ConfigError(place, "Original IP detection extensions and xff_num_trusted_hops may not be mixed")
    detectors = []
    for index, each in enumerate(message.original_ip_detection_extensions):
        with context.problems.collect():
            at_config = place / index / "typed_config"
            compile_config, config = find_extension(KIND, each.typed_config, each.name, at_config)
            detectors.append(compile_config(config, at_config, context))
    return tuple(detectors)
