"""What the admin endpoint may know of discovery.  Envoy: admin.v3.ConfigDump, ClientResourceStatus, UpdateFailureState.

Here: frozen copies.  Not here: their form in /config_dump (admin).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from dataplane.xds.source import Source


class ClientStatus(Enum):
    """Envoy: admin.v3.ClientResourceStatus, same names."""

    REQUESTED = "REQUESTED"
    DOES_NOT_EXIST = "DOES_NOT_EXIST"
    ACKED = "ACKED"
    NACKED = "NACKED"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, slots=True)
class UpdateFailureState:
    """A refused version.  failed_configuration: the bytes under the type's URL.  last_update_attempt: calendar time."""

    version_info: str
    failed_configuration: bytes
    details: str
    last_update_attempt: float


@dataclass(frozen=True, slots=True)
class ResourceStatus:
    """One resource.  version_info, last_updated: of the value in store, empty and 0 where there is none."""

    name: str
    client_status: ClientStatus
    version_info: str = ""
    last_updated: float = 0.0
    error_state: UpdateFailureState | None = None


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """One type from one source.  version_info: last accepted.  last_error: text of the last refusal, empty after an accepted response."""

    type_url: str
    source: Source
    version_info: str
    last_nonce: str
    last_updated: float
    last_error: str
    resources: Mapping[str, ResourceStatus]


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream to a management server.  since: calendar time of the last change between connected and not."""

    method: str
    connected: bool
    peer: str
    since: float
    control_plane_identifier: str
    last_failure: str
