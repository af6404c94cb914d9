"""Errors and the places they name.

Here: the error hierarchy of the data plane and `FieldPath`, the place in a resource that an error is about.
Not here: translation of foreign exceptions; the shell that called does that, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class FieldPath:
    """Where in a resource: built on the way down with `/`, printed only when something is wrong.

    `FieldPath("RouteConfiguration", "edge") / "virtual_hosts" / 2 / "routes"` prints
    `RouteConfiguration{edge}.virtual_hosts[2].routes`.  Immutable.
    """

    __slots__ = ("_parent", "_step")

    def __init__(self, root: str = "", name: str = "") -> None:
        self._parent: FieldPath | None = None
        self._step: str | int = f"{root}{{{name}}}" if name else root

    def __truediv__(self, step: str | int) -> FieldPath:
        child = FieldPath.__new__(FieldPath)
        child._parent = self
        child._step = step
        return child

    @property
    def root(self) -> str:
        """The resource the path starts at: `RouteConfiguration{edge}`; empty for a bare message."""
        node = self
        while node._parent is not None:
            node = node._parent
        return str(node._step)

    @property
    def steps(self) -> tuple[str | int, ...]:
        """Field names and list indices (or map keys) from the root down, the root left out."""
        found: list[str | int] = []
        node = self
        while node._parent is not None:
            found.append(node._step)
            node = node._parent
        return tuple(reversed(found))

    def __str__(self) -> str:
        text = self.root
        for step in self.steps:
            if isinstance(step, int):
                text += f"[{step}]"
            elif text:
                text += f".{step}"
            else:
                text = step
        return text

    def __repr__(self) -> str:
        return f"FieldPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldPath) and (self.root, self.steps) == (other.root, other.steps)

    def __hash__(self) -> int:
        return hash((self.root, self.steps))


class ProxyError(Exception):
    """Base of every error that the data plane raises on purpose."""


class ConfigError(ProxyError):
    """One thing wrong with a configuration: the place and the rule it breaks."""

    def __init__(self, at: FieldPath, reason: str) -> None:
        super().__init__(f"{at}: {reason}" if str(at) else reason)
        self.at = at
        self.reason = reason


class InvalidResource(ProxyError):
    """Everything wrong with one resource (or one bootstrap).  `errors` is never empty."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        assert errors
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


class NotKnownHere(ProxyError):
    """What a configuration names (a file, an environment variable) is on the machine that will use it, and this is another one.

    No ConfigError: nothing is wrong.  Only raised inside of `compile.elsewhere`.
    """


class Problems:
    """Collects the errors of one resource, so that a compile reports all of them and not the first.

    `with problems.collect(): ...` keeps a ConfigError and goes on after the block; `raise_if_any()` ends the collection.
    not_known_here: a part could not be judged; then the result is not whole either, and `raise_if_any()` says so.
    """

    __slots__ = ("errors", "not_known_here")

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []
        self.not_known_here: NotKnownHere | None = None

    def add(self, at: FieldPath, reason: str) -> None:
        self.errors.append(ConfigError(at, reason))

    @contextmanager
    def collect(self) -> Iterator[None]:
        try:
            yield
        except ConfigError as error:
            self.errors.append(error)
        except InvalidResource as error:
            self.errors.extend(error.errors)
        except NotKnownHere as unknown:
            self.not_known_here = unknown

    def raise_if_any(self) -> None:
        if self.errors:
            raise InvalidResource(self.errors)
        if self.not_known_here is not None:
            raise self.not_known_here


class ProtocolError(ProxyError):
    """A peer broke the rules of its protocol.  status: the HTTP status to answer with, where an answer is still possible."""

    def __init__(self, status: int, details: str) -> None:
        super().__init__(details)
        self.status = status
        self.details = details


class DownstreamProtocolError(ProtocolError):
    """Who connected to us broke the rules: 4xx and response flag DPE."""


class UpstreamProtocolError(ProtocolError):
    """Whom we connected to broke the rules: 502 and response flag UPE."""
