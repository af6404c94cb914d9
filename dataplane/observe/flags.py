"""Response flags: what the proxy itself had to do with an answer.  Envoy: `%RESPONSE_FLAGS%`, data.accesslog.v3.ResponseFlags."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

# (short, long); the position is the bit.  Envoy prints flags in the order they were raised: URX, and the UO of a retry that is one too
# many, come before the failure they belong to.  Behind those of a TCP connection's attempts comes URX, which has a bit of its own for that.
NAMES: Final[tuple[tuple[str, str], ...]] = (
    ("URX", "UpstreamRetryLimitExceeded"),
    ("UO", "UpstreamOverflow"),
    ("LH", "FailedLocalHealthCheck"),
    ("UH", "NoHealthyUpstream"),
    ("UT", "UpstreamRequestTimeout"),
    ("LR", "LocalReset"),
    ("UR", "UpstreamRemoteReset"),
    ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"),
    ("NR", "NoRouteFound"),
    ("DI", "DelayInjected"),
    ("FI", "FaultInjected"),
    ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"),
    ("DC", "DownstreamConnectionTermination"),
    ("SI", "StreamIdleTimeout"),
    ("IH", "InvalidEnvoyRequestHeaders"),
    ("DPE", "DownstreamProtocolError"),
    ("UMSDR", "UpstreamMaxStreamDurationReached"),
    ("RFCF", "ResponseFromCacheFilter"),
    ("NFCF", "NoFilterConfigFound"),
    ("DT", "DurationTimeout"),
    ("UPE", "UpstreamProtocolError"),
    ("NC", "NoClusterFound"),
    ("OM", "OverloadManagerTerminated"),
    ("DF", "DnsResolutionFailed"),
    ("DO", "DropOverload"),
    ("DR", "DownstreamRemoteReset"),
    ("UDO", "UnconditionalDropOverload"),
    ("URX", "UpstreamRetryLimitExceeded"),
)

_BITS: Final = {short: 1 << bit for bit, (short, _) in reversed(tuple(enumerate(NAMES)))}

FAILED_LOCAL_HEALTH_CHECK: Final[int] = _BITS["LH"]
NO_HEALTHY_UPSTREAM: Final[int] = _BITS["UH"]
UPSTREAM_REQUEST_TIMEOUT: Final[int] = _BITS["UT"]
LOCAL_RESET: Final[int] = _BITS["LR"]
UPSTREAM_REMOTE_RESET: Final[int] = _BITS["UR"]
UPSTREAM_CONNECTION_FAILURE: Final[int] = _BITS["UF"]
UPSTREAM_CONNECTION_TERMINATION: Final[int] = _BITS["UC"]
UPSTREAM_OVERFLOW: Final[int] = _BITS["UO"]
NO_ROUTE_FOUND: Final[int] = _BITS["NR"]
DOWNSTREAM_CONNECTION_TERMINATION: Final[int] = _BITS["DC"]
UPSTREAM_RETRY_LIMIT_EXCEEDED: Final[int] = _BITS["URX"]
CONNECT_ATTEMPTS_EXCEEDED: Final = 1 << len(NAMES) - 1  # URX of a TCP connection
STREAM_IDLE_TIMEOUT: Final[int] = _BITS["SI"]
INVALID_ENVOY_REQUEST_HEADERS: Final[int] = _BITS["IH"]
DOWNSTREAM_PROTOCOL_ERROR: Final[int] = _BITS["DPE"]
UPSTREAM_MAX_STREAM_DURATION_REACHED: Final[int] = _BITS["UMSDR"]
DURATION_TIMEOUT: Final[int] = _BITS["DT"]
UPSTREAM_PROTOCOL_ERROR: Final[int] = _BITS["UPE"]
NO_CLUSTER_FOUND: Final[int] = _BITS["NC"]
OVERLOAD_MANAGER: Final[int] = _BITS["OM"]
DROP_OVERLOAD: Final[int] = _BITS["DO"]
UNCONDITIONAL_DROP_OVERLOAD: Final[int] = _BITS["UDO"]
DNS_RESOLUTION_FAILED: Final[int] = _BITS["DF"]
DOWNSTREAM_REMOTE_RESET: Final[int] = _BITS["DR"]


def named(name: str) -> int:
    """The bits with this short name, 0 where there is none."""
    return sum(1 << bit for bit, (short, _) in enumerate(NAMES) if short == name)


def short(flags: int) -> str:
    """`%RESPONSE_FLAGS%`: the short names joined by a comma, `-` for none."""
    return ",".join(name for bit, (name, _) in enumerate(NAMES) if flags >> bit & 1) if flags else "-"


@lru_cache(maxsize=256)
def short_bytes(flags: int) -> bytes:
    return short(flags).encode()


def long(flags: int) -> str:
    """`%RESPONSE_FLAGS_LONG%`: the long names joined by a comma, `-` for none."""
    return ",".join(name for bit, (_, name) in enumerate(NAMES) if flags >> bit & 1) if flags else "-"
