"""Which requests are mirrored to whom, and what a mirror is told.  Pure; sending is router.mirror's.

Envoy: RouteAction.RequestMirrorPolicy; Router::FilterUtility::shouldShadow, ShadowWriterImpl.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.routing.header_mutations import HeaderEdit, apply_edits
from dataplane.semantics import forwarded
from dataplane.semantics.header_map import RequestHeaders

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

_SUFFIX: Final = b"-shadow"


@dataclass(frozen=True, slots=True)
class MirrorPolicy:
    """`RequestMirrorPolicy`.  Either cluster or cluster_header is set.

    fraction: numerator and denominator.  host: in the place of the request's, as it is; edits: to the mirrored request alone.
    """

    cluster: str = ""
    cluster_header: bytes = b""
    fraction: tuple[int, int] = (100, 100)
    appends_suffix: bool = True
    host: bytes = b""
    edits: tuple[HeaderEdit, ...] = ()


def mirror_cluster(policy: MirrorPolicy, headers: RequestHeaders, random_value: int) -> str:
    """The cluster that gets a copy of the request, "" for none."""
    part, whole = policy.fraction
    if random_value % whole >= part:
        return ""
    return policy.cluster or (headers.get(policy.cluster_header) or b"").decode("utf-8", "replace")


def mirrored_headers(policy: MirrorPolicy, headers: RequestHeaders, info: StreamInfo, local_address: bytes) -> RequestHeaders:
    """The copy's head.  headers: as the upstream of the request itself gets them.  local_address: we are the ones who ask."""
    copy = RequestHeaders(headers.method, headers.path, headers.authority, headers.scheme, list(headers.fields), headers.protocol)
    apply_edits(policy.edits, copy, info)
    if policy.host:
        copy.authority = policy.host
    elif policy.appends_suffix:
        copy.authority = _with_suffix(copy.authority)
    copy.set(b"x-envoy-internal", b"true")
    forwarded.append(copy, forwarded.FORWARDED_FOR, local_address, b",")
    return copy


def _with_suffix(host: bytes) -> bytes:
    """`-shadow` behind the name, before the port."""
    name, colon, port = host.rpartition(b":")
    if colon and port.isdigit():
        return name + _SUFFIX + colon + port
    return host + _SUFFIX
