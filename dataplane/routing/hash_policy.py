"""The hash of a request, by which consistent hashing chooses its host.

Here: what a route's hash policies make of headers and facts.  Not here: choosing (balancing), protobuf (compile.hash_policy).
Envoy: RouteAction.HashPolicy, HashPolicyImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from xxhash import xxh64_intdigest

from dataplane.base.address import SocketAddress
from dataplane.matching.header import parse_query
from dataplane.observe.stream_info import StreamInfo
from dataplane.semantics.header_map import RequestHeaders

_MASK: Final = (1 << 64) - 1


@dataclass(slots=True)
class Hashing:
    """One request.  set_cookies: what its answer has to set, so that the next request has the same hash."""

    headers: RequestHeaders
    info: StreamInfo
    set_cookies: list[bytes]


Evaluate = Callable[[Hashing], int | None]


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """terminal: once there is a hash, the policies after this one are not asked."""

    evaluate: Evaluate
    terminal: bool = False


def combined(policies: Sequence[HashPolicy], request: Hashing) -> int | None:
    """The hash of all *policies*; None where none of them has any."""
    result: int | None = None
    for policy in policies:
        found = policy.evaluate(request)
        if found is not None:
            # Turning the old one keeps equal parts from cancelling each other.
            turned = 0 if result is None else (result << 1 | result >> 63) & _MASK
            result = turned ^ found
        if policy.terminal and result is not None:
            break
    return result


def of_header(name: bytes, rewrite: Callable[[bytes], bytes] | None) -> Evaluate:
    """All values of a header, whatever their order."""

    def evaluate(request: Hashing) -> int | None:
        single = request.headers.pseudo(name)
        values = request.headers.get_all(name) if single is None else [single]
        if not values:
            return None
        result = 0
        for value in sorted(value if rewrite is None else rewrite(value) for value in values):
            result = xxh64_intdigest(value, result)
        return result

    return evaluate


@dataclass(frozen=True, slots=True)
class NewCookie:
    """What to set where the cookie is missing.  ttl: whole seconds, 0 for the session."""

    ttl: int
    path: bytes = b""
    attributes: tuple[tuple[bytes, bytes], ...] = ()

    def field(self, name: bytes, value: bytes) -> bytes:
        """The value of `set-cookie`."""
        parts = [b'%b="%b"' % (name, value)]
        if self.ttl:
            parts.append(b"Max-Age=%d" % self.ttl)
        if self.path:
            parts.append(b"Path=" + self.path)
        parts += [b"%b=%b" % pair if pair[1] else pair[0] for pair in self.attributes]
        return b"; ".join((*parts, b"HttpOnly"))


def of_cookie(name: bytes, new: NewCookie | None) -> Evaluate:
    """A cookie.  Where it is missing and *new* says so, one is made of the connection's addresses."""

    def evaluate(request: Hashing) -> int | None:
        value = cookie(request.headers, name)
        if not value and new is not None:
            info = request.info
            value = b"%x" % xxh64_intdigest(f"{info.downstream_direct_remote_address}{info.downstream_local_address}".encode())
            value = value.rjust(16, b"0")
            request.set_cookies.append(new.field(name, value))
        return xxh64_intdigest(value) if value else None

    return evaluate


def of_source_ip(request: Hashing) -> int | None:
    return source_ip(request.info)


def source_ip(info: StreamInfo) -> int | None:
    """The client's address, without its port; a pipe has none."""
    address = info.downstream_remote_address
    return xxh64_intdigest(address.host.encode()) if isinstance(address, SocketAddress) else None


def of_query_parameter(name: bytes) -> Evaluate:
    """The first value of a query parameter."""

    def evaluate(request: Hashing) -> int | None:
        value = parse_query(request.headers.path.partition(b"?")[2].partition(b"#")[0]).get(name)
        return None if value is None else xxh64_intdigest(value)

    return evaluate


def cookie(headers: RequestHeaders, name: bytes) -> bytes:
    """The first value of a cookie, without quotes; b"" where there is none."""
    for field in headers.get_all(b"cookie"):
        for pair in field.split(b";"):
            found, separator, value = pair.strip(b" \t").partition(b"=")
            if separator and found == name:
                return value[1:-1] if len(value) > 1 and value[:1] == value[-1:] == b'"' else value
    return b""
