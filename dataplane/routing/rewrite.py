"""Changing where a request says it goes: paths, hosts, and the targets of redirects.

Here: functions of bytes, made when configuration is compiled.  Not here: deciding which applies (compile.route), doing it at the
right moment (router).
Envoy: RouteAction.{prefix_rewrite, regex_rewrite, host_rewrite_*, append_x_forwarded_host}, RedirectAction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataplane.semantics.header_map import RequestHeaders

PathRewrite = Callable[[bytes], bytes]


def replace_prefix(replacement: bytes, matched_length: int | None) -> PathRewrite:
    """Put *replacement* in the place of the first *matched_length* bytes; None: of the whole path."""
    if matched_length is None:
        return lambda path: replacement
    return lambda path: replacement + path[matched_length:]


def rewrite_target(target: bytes, rewrite: PathRewrite) -> bytes:
    """Apply *rewrite* to the path of a request target; query and fragment stay as they are."""
    end = len(target)
    for mark in (b"?", b"#"):
        found = target.find(mark, 0, end)
        if found >= 0:
            end = found
    return rewrite(target[:end]) + target[end:]


def append_forwarded_host(headers: RequestHeaders) -> None:
    """Add the present host to x-forwarded-host, unless it is the last one there already."""
    host = headers.authority
    if not host:
        return
    known = headers.get(b"x-forwarded-host")
    if known is None:
        headers.add(b"x-forwarded-host", host)
    elif known.rpartition(b",")[2] != host:
        headers.set(b"x-forwarded-host", known + b"," + host)


@dataclass(frozen=True, slots=True)
class Location:
    """The target of a redirect.  scheme, host, port, path: b"" keeps the request's, as a rewrite left it.  Envoy: Utility::newUri."""

    scheme: bytes = b""
    host: bytes = b""
    port: bytes = b""
    path: bytes = b""
    strip_query: bool = False

    def __call__(self, headers: RequestHeaders) -> bytes:
        scheme = self.scheme or headers.scheme
        port = b":" + self.port if self.port else b""
        host = self.host or _request_host(headers, scheme, bool(port))
        return scheme + b"://" + host + port + self._target(headers.path)

    def _target(self, asked: bytes) -> bytes:
        if self.path:
            if b"?" in self.path:  # a query that is configured replaces the request's and is never stripped
                return self.path
            _, mark, query = asked.partition(b"?")
            return self.path if self.strip_query else self.path + mark + query
        return asked.partition(b"?")[0] if self.strip_query else asked


def _request_host(headers: RequestHeaders, new_scheme: bytes, port_given: bool) -> bytes:
    """The request's host, without a port that the new URL gives itself or that was the default of the old scheme."""
    host = headers.authority
    if host.startswith(b"["):
        end = host.rfind(b"]:")
        end = end + 1 if end >= 0 else -1
    else:
        end = host.rfind(b":")
    if end < 0:
        return host
    # The scheme may differ from x-forwarded-proto; the port is judged by what the client really used.
    spoken = headers.get(b"x-forwarded-proto") or b""
    default = {b"https": b":443", b"http": b":80"}.get(spoken)
    if port_given or (new_scheme != spoken and host[end:] == default):
        return host[:end]
    return host
