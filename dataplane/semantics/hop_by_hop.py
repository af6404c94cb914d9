"""Fields that are for one connection only: taken off before a message goes on.

Here: what `connection`, `te`, `upgrade` and their like mean for a proxy.  Not here: lengths and persistence, which the codec reads from
the same fields (h1_head).
Envoy: sanitizeConnectionHeader, mutateRequestHeaders; RFC 9110 section 7.6.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dataplane.base.errors import ProtocolError
from dataplane.semantics.header_map import HeaderMap, RequestHeaders

REQUEST_NAMES: Final[frozenset[bytes]] = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te"}
)
"""Request fields that `strip_request` has something to do with."""

RESPONSE_NAMES: Final[frozenset[bytes]] = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
"""Response fields that are never passed on (but see `is_upgrade`)."""

_OF_UPGRADES: Final = frozenset({b"te", b"connection", b"upgrade"})

# What a nominated name must not take away: a request without them would mean something else to the next hop.
_PROTECTED: Final = frozenset({b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})
_TOO_MANY_NOMINATED: Final = 10  # Envoy's limit: each name is a search through all fields
# Naming these is legal and changes nothing: they are dropped, or kept, for reasons of their own.
_IGNORED_NOMINATIONS: Final = frozenset({b"close", b"keep-alive", b"upgrade", b"te", b"http2-settings", b""})


def tokens(value: bytes) -> list[bytes]:
    """The words of a comma list, in lower case."""
    return [word.strip() for word in value.lower().split(b",")]


def is_upgrade(headers: HeaderMap) -> bool:
    """`connection: upgrade` together with an `upgrade` field."""
    if b"upgrade" not in headers:
        return False
    return any(b"upgrade" in tokens(value) for value in headers.get_all(b"connection"))


def drop_upgrades(headers: RequestHeaders, ignored: Callable[[bytes], bool] | None) -> None:
    """An offer to change to HTTP/2 in clear text is not taken: the request is served as HTTP/1.1.  ignored: whether another is not, either."""
    offers = [word.strip() for word in (headers.joined(b"upgrade") or b"").split(b",")]
    kept = [word for word in offers if word.lower() != b"h2c" and not (ignored is not None and ignored(word))]
    headers.remove(b"http2-settings")
    if kept:
        headers.set(b"upgrade", b",".join(kept))
    else:
        headers.remove(b"upgrade")


def strip_request(headers: RequestHeaders, upgrades: bool = False) -> None:
    """Remove the fields meant for us only; of an upgrade, what asks for it stays.

    Raises ProtocolError where `connection` names what must not be removed.
    """
    nominated = headers.joined(b"connection")
    if nominated is not None:
        _remove_nominated(headers, tokens(nominated))
    _keep_only_trailers(headers)
    unwanted = REQUEST_NAMES - (_OF_UPGRADES if upgrades else {b"te"})
    headers.fields = [field for field in headers.fields if field[0] not in unwanted]


def _remove_nominated(headers: RequestHeaders, names: list[bytes]) -> None:
    if len(names) >= _TOO_MANY_NOMINATED:
        raise ProtocolError(400, "http1.connection_header_rejected")
    for name in names:
        if name in _IGNORED_NOMINATIONS:
            continue
        if name.startswith(b":") or name in _PROTECTED:
            raise ProtocolError(400, "http1.connection_header_rejected")
        if name == b"host":
            headers.authority = b""
        headers.remove(name)


def _keep_only_trailers(headers: RequestHeaders) -> None:
    """`te: trailers` is the only transfer coding a request may ask for end to end."""
    wanted = headers.joined(b"te")
    if wanted is None:
        return
    if b"trailers" in [word.strip() for word in wanted.split(b",")]:
        headers.set(b"te", b"trailers")
    else:
        headers.remove(b"te")
