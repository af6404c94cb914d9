"""Resources for tests of discovery: a name, a text, and a decoder that counts what it was asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.xds.messages import Decoded, RawResource

TYPE = "type.googleapis.com/test.Thing"


def body(name: str, text: str = "") -> bytes:
    """A message with the name in field 1 and the text in field 2."""
    return b"".join(bytes((tag, len(part.encode()))) + part.encode() for tag, part in ((0x0A, name), (0x12, text)))


def raw(name: str, text: str = "", version: str = "1", type_url: str = TYPE, ttl: float | None = None) -> RawResource:
    """A resource of the incremental protocol."""
    return RawResource(name, type_url, body(name, text), version, ttl)


def nameless(name: str, text: str = "", version: str = "v1") -> RawResource:
    """A resource of the state-of-the-world protocol: only the body has the name."""
    return RawResource("", TYPE, body(name, text), version)


@dataclass(slots=True)
class TextDecoder:
    """The value is the text.  Refuses the texts `bad` and `worse`, breaks at `bug`."""

    calls: list[str] = field(default_factory=list)

    def __call__(self, type_url: str, body: bytes) -> Decoded:
        if body[:1] != b"\x0a":
            raise ConfigError(FieldPath("Thing"), "malformed message")
        end = 2 + body[1]
        name, text = body[2:end].decode(), body[end + 2 :].decode()
        self.calls.append(name)
        at = FieldPath("Thing", name) / "text"
        match text:
            case "bad":
                raise ConfigError(at, "is bad")
            case "worse":
                raise InvalidResource([ConfigError(at, "is bad"), ConfigError(at, "is ugly")])
            case "bug":
                raise ZeroDivisionError("oops")
        return Decoded(name, text)
