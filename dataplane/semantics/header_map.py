"""Header lists: lower-case bytes from the parser to the wire, in order, duplicates kept.

A list of pairs scanned front to back beats a dict for the ten to twenty headers of a message: no hashing, no copies, and
the wire order is the list order.  Names given to these methods must already be lower case.
Not here: which headers a proxy adds or removes (semantics.hop_by_hop, semantics.forwarded).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.semantics.header_case import HeaderCase

Field = tuple[bytes, bytes]


class HeaderMap:
    """Ordered header fields.  `fields` may be read and replaced directly by the request path."""

    __slots__ = ("case", "fields")

    case: HeaderCase | None
    """How names are spelt on the wire; None: in lower case, or as the writer is told.  Set where a message keeps its own spelling."""

    def __init__(self, fields: list[Field] | None = None) -> None:
        self.fields: list[Field] = [] if fields is None else fields
        self.case = None

    def get(self, name: bytes) -> bytes | None:
        """The first value of *name*."""
        for key, value in self.fields:
            if key == name:
                return value
        return None

    def get_all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.fields if key == name]

    def joined(self, name: bytes) -> bytes | None:
        """All values of *name* joined by a comma."""
        values = [value for key, value in self.fields if key == name]
        return b",".join(values) if values else None

    def __contains__(self, name: bytes) -> bool:
        for key, _ in self.fields:  # noqa: SIM110  # `any` makes a generator for each question
            if key == name:
                return True
        return False

    def set(self, name: bytes, value: bytes) -> None:
        """Make *value* the only one of *name*, at the place of the first."""
        fields = self.fields
        for index, (key, _) in enumerate(fields):
            if key == name:
                fields[index] = (name, value)
                fields[index + 1 :] = [field for field in fields[index + 1 :] if field[0] != name]
                return
        fields.append((name, value))

    def add(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def remove(self, name: bytes) -> None:
        if name in self:
            self.fields = [field for field in self.fields if field[0] != name]

    def pseudo(self, name: bytes) -> bytes | None:
        """The value of a header that is kept outside of `fields`; a plain map has none."""
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fields!r})"


class RequestHeaders(HeaderMap):
    """A request's head.  `host` is kept in `authority` and never in `fields`, whatever the protocol on the wire.

    noticed: which names of semantics.noticed its fields have, from who knows without looking; None: nobody has looked, or they were changed.
    """

    __slots__ = ("authority", "method", "noticed", "path", "protocol", "scheme")

    def __init__(
        self,
        method: bytes,
        path: bytes,
        authority: bytes,
        scheme: bytes = b"http",
        fields: list[Field] | None = None,
        protocol: bytes = b"",
        noticed: tuple[bytes, ...] | None = None,
    ) -> None:
        self.fields = [] if fields is None else fields
        self.case = None
        self.method = method
        self.path = path
        self.authority = authority
        self.scheme = scheme
        self.protocol = protocol  # ":protocol" of an extended CONNECT (RFC 8441); b"" otherwise
        self.noticed = noticed

    def pseudo(self, name: bytes) -> bytes | None:
        """The value of a pseudo-header (`:path`, ...), or of `host`; None for an unknown one."""
        if name == b":path":
            return self.path
        if name == b":authority" or name == b"host":
            return self.authority
        if name == b":method":
            return self.method
        if name == b":scheme":
            return self.scheme
        if name == b":protocol":
            return self.protocol or None
        return None


class ResponseHeaders(HeaderMap):
    """A response's head.  noticed: as in a request's."""

    __slots__ = ("noticed", "status")

    def __init__(self, status: int, fields: list[Field] | None = None, noticed: tuple[bytes, ...] | None = None) -> None:
        self.fields = [] if fields is None else fields
        self.case = None
        self.status = status
        self.noticed = noticed

    def pseudo(self, name: bytes) -> bytes | None:
        """`:status`; None for any other."""
        return b"%d" % self.status if name == b":status" else None
