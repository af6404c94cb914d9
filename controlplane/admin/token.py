"""The bearer token that guards the API, and who may listen where without one.

Here: reading, comparing, the rule about loopback.  Not here: HTTP and gRPC (rest, rpc).
"""

from __future__ import annotations

import hmac
import ipaddress
from pathlib import Path


class TokenError(Exception):
    """The token file cannot be used, or listening there without a token is refused."""


class Token:
    """What a caller must present.  None: everybody may."""

    def __init__(self, text: str | None) -> None:
        self._expected = None if text is None else f"Bearer {text}".encode()

    @classmethod
    def from_file(cls, path: Path | None) -> Token:
        """The file's content without surrounding white space.  Raises TokenError."""
        if path is None:
            return cls(None)
        try:
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenError(f"cannot read token file {path}: {error}") from error
        if not text:
            raise TokenError(f"token file {path} is empty")
        return cls(text)

    @property
    def is_required(self) -> bool:
        return self._expected is not None

    def admits(self, authorization: str | None) -> bool:
        """authorization: the request's header or metadata value."""
        if self._expected is None:
            return True
        return hmac.compare_digest((authorization or "").encode(), self._expected)


def require_safe(token: Token, host: str, *, insecure: bool) -> None:
    """Raises TokenError when strangers could reach *host* and nothing would stop them."""
    if not (token.is_required or insecure or is_loopback(host)):
        raise TokenError(f"refusing to listen on {host} without a token; give --token-file, or --insecure to let everybody in")


def is_loopback(host: str) -> bool:
    """A name other than localhost may resolve to anything, so it is not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
