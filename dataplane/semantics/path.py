"""The path and the host of a request in the form that routing sees.

Here: dot segments, percent encoding, repeated and escaped slashes, ports and trailing dots of hosts.  Pure, bytes in, bytes out.
Not here: which of them a connection manager asks for (http.request_headers).
Envoy: normalize_path, merge_slashes, path_with_escaped_slashes_action, strip_any_host_port; tried case by case.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_NOT_IN_PATHS: Final = re.compile(rb"[\x00-\x20\"<>^`{|}\x7f-\xff]")
_SLASHES: Final = re.compile(rb"//+")
_ESCAPED_SLASH: Final = re.compile(rb"%2[Ff]|%5[Cc]")


def split_query(target: bytes) -> tuple[bytes, bytes]:
    """The path, and the rest from the question mark on."""
    end = target.find(b"?")
    return (target, b"") if end < 0 else (target[:end], target[end:])


def normalize(target: bytes) -> bytes | None:
    """Resolve dot segments, undo needless escapes, make needed ones; the query stays.  None: the path is not acceptable."""
    path, query = split_query(target)
    if b"%00" in path:
        return None
    path = _ESCAPE.sub(_unescape, path.replace(b"\\", b"/"))
    path = _NOT_IN_PATHS.sub(lambda match: b"%%%02X" % match[0][0], path)
    if b"/." in path:
        path = _remove_dot_segments(path)
    return path + query


def _unescape(match: re.Match[bytes]) -> bytes:
    byte = int(match[1], 16)
    return bytes((byte,)) if byte in _UNRESERVED else match[0]


def _remove_dot_segments(path: bytes) -> bytes:
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        name = segment.partition(b";")[0]  # path parameters do not hide a dot segment
        if name == b"..":
            if kept:
                kept.pop()
        elif name != b".":
            kept.append(segment)
    if segments[-1].partition(b";")[0] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)


def merge_slashes(target: bytes) -> bytes:
    """Make one slash of several in a row, in the path only."""
    path, query = split_query(target)
    return _SLASHES.sub(b"/", path) + query if b"//" in path else target


def unescape_slashes(target: bytes) -> bytes:
    """Undo the escapes of slashes and backslashes, in the path only."""
    path, query = split_query(target)
    return _ESCAPED_SLASH.sub(lambda match: b"/" if match[0][1:2] == b"2" else b"\\", path) + query


def strip_port(host: bytes, only: int | None = None) -> bytes:
    """*host* without its port; only: just when it is this one."""
    name, port = split_port(host)
    if not port or (only is not None and port != b"%d" % only):
        return host
    return name


def split_port(host: bytes) -> tuple[bytes, bytes]:
    """Name and port; b"" where there is no port.  An IPv6 address keeps its brackets, one without brackets has no port."""
    name, colon, port = host.rpartition(b":")
    if not colon or not port.isdigit() or (b":" in name and not name.endswith(b"]")):
        return host, b""
    return name, port


def strip_trailing_dot(host: bytes) -> bytes:
    name, port = split_port(host)
    if not name.endswith(b"."):
        return host
    return name[:-1] + (b":" + port if port else b"")
