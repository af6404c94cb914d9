"""A header of its own says who asks.  Envoy: envoy.http.original_ip_detection.custom_header."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envoy.extensions.http.original_ip_detection.custom_header.v3.custom_header_pb2 import CustomHeaderConfig
from envoy.type.v3.http_status_pb2 import HttpStatus

from dataplane.api.original_ip import Detection
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.original_ip import KIND
from dataplane.compile.support import supports
from dataplane.semantics.forwarded import parse_address

if TYPE_CHECKING:
    from dataplane.base.address import Address
    from dataplane.semantics.header_map import RequestHeaders

supports(CustomHeaderConfig, "header_name", "allow_extension_to_set_address_as_trusted", "reject_with_status")
supports(HttpStatus, "code")

_FORBIDDEN = 403
_ERRORS = range(400, 512)


@dataclass(frozen=True, slots=True)
class CustomHeader:
    """Implements api.original_ip.IpDetector.  reject_with: the status for a request without a usable address, 0 for none."""

    name: bytes
    is_trusted: bool = False
    reject_with: int = 0

    def detect(self, headers: RequestHeaders, peer: Address) -> Detection:
        """As in Envoy, the first field of the name counts."""
        value = headers.authority if self.name in (b":authority", b"host") else headers.get(self.name)
        address = None if value is None else parse_address(value)
        return Detection(None, reject_with=self.reject_with) if address is None else Detection(address, self.is_trusted)


@extension(KIND, CustomHeaderConfig.DESCRIPTOR.full_name)
def compile_config(config: CustomHeaderConfig, at: FieldPath, context: CompileContext) -> CustomHeader:
    """As in Envoy, a status that is no error stands for 403."""
    status = config.reject_with_status.code if config.HasField("reject_with_status") else 0
    if status and status not in _ERRORS:
        status = _FORBIDDEN
    return CustomHeader(config.header_name.lower().encode(), config.allow_extension_to_set_address_as_trusted, status)
