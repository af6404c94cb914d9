"""Who asks: x-forwarded-for, trusted hops, internal and external requests.

Here: reading and extending the fields, pure.  Not here: when they are trusted (http.request_headers), matching of ranges (matching.cidr).
Envoy: configuration/http/http_conn_man/headers, "x-forwarded-for"; mutateRequestHeaders.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container
from typing import Final

from dataplane.base.address import SocketAddress
from dataplane.semantics.header_map import HeaderMap, RequestHeaders

FORWARDED_FOR: Final[bytes] = b"x-forwarded-for"

_SCHEME: Final = re.compile(rb"^[A-Za-z][-+.A-Za-z0-9]*://")
_HOST_AND_REST: Final = re.compile(rb"(?:[^\s/?#:\[\]]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?(?:[/?#].*)?")

# What only a trusted peer may say; removed from every request that is not internal.
INTERNAL_ONLY: Final[frozenset[bytes]] = frozenset(
    {
        b"x-envoy-retriable-status-codes",
        b"x-envoy-retriable-header-names",
        b"x-envoy-retry-on",
        b"x-envoy-retry-grpc-on",
        b"x-envoy-max-retries",
        b"x-envoy-upstream-alt-stat-name",
        b"x-envoy-upstream-rq-timeout-ms",
        b"x-envoy-upstream-rq-per-try-timeout-ms",
        b"x-envoy-upstream-rq-timeout-alt-response",
        b"x-envoy-upstream-stream-duration-ms",
        b"x-envoy-expected-rq-timeout-ms",
        b"x-envoy-force-trace",
        b"x-envoy-ip-tags",
        b"x-envoy-original-url",
        b"x-envoy-hedge-on-per-try-timeout",
    }
)

# Removed as well from requests that enter the mesh here.
EDGE_ONLY: Final[frozenset[bytes]] = frozenset(
    {
        b"x-envoy-decorator-operation",
        b"x-envoy-downstream-service-cluster",
        b"x-envoy-downstream-service-node",
        b"x-envoy-original-host",
        b"x-envoy-original-path",
    }
)


def append(headers: HeaderMap, name: bytes, value: bytes, separator: bytes) -> None:
    """Add *value* to the list in field *name*; several fields of that name become one."""
    before = headers.joined(name)
    if before:
        headers.set(name, before + separator + value)
    else:
        headers.set(name, value)


def last_address(headers: RequestHeaders, hops: int) -> tuple[SocketAddress | None, bool]:
    """The address that *hops* trusted proxies in front of us vouch for, and whether it stands alone in the field.

    None: no field, not that many addresses, or no IP address at that place.  Port 0: the field has none.
    """
    value = headers.joined(FORWARDED_FOR)
    if value is None:
        return None, False
    parts = value.split(b",")
    if hops >= len(parts):
        return None, False
    return parse_address(parts[-1 - hops].strip()), len(parts) == 1


def first_untrusted(headers: RequestHeaders, trusted: Container[object]) -> tuple[SocketAddress | None, bool]:
    """The last address that is not *trusted*, or else the first of all; and whether it stands alone in the field.

    None: no field, or what is no IP address stands before one was found.
    """
    value = headers.joined(FORWARDED_FOR)
    if value is None:
        return None, False
    parts = value.split(b",")
    address: SocketAddress | None = None
    for part in reversed(parts):
        address = parse_address(part.strip())
        if address is None or ipaddress.ip_address(address.host) not in trusted:
            break
    return address, len(parts) == 1


def parse_address(text: bytes) -> SocketAddress | None:
    """An IP address as a peer's, port 0; None for anything else."""
    try:
        address = ipaddress.ip_address(text.decode("ascii"))
    except ValueError:  # UnicodeDecodeError is one
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return SocketAddress(str(address) if mapped is None else f"::ffff:{mapped}", 0)


def sanitize_referer(headers: RequestHeaders) -> None:
    """Drop a referer that is no URL, or that comes twice."""
    values = headers.get_all(b"referer")
    if values and (len(values) > 1 or not _is_url(values[0])):
        headers.remove(b"referer")


def _is_url(value: bytes) -> bool:
    """As lenient as Envoy's URL parser: a bare name is a host, an absolute path stands alone."""
    return value.startswith(b"/") or _HOST_AND_REST.fullmatch(_SCHEME.sub(b"", value, count=1)) is not None
