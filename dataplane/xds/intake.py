"""One response on its way into the store: every resource judged alone, then all the good ones kept at once.

Here: decoding step by step, verdicts, removals.  Not here: the acknowledgement (sotw, delta), who is told (client).

- Bytes that are known are not decoded again, whatever their version.
- A bad resource keeps its last good value; the others of the response are kept none the less.
- A name that comes twice is refused twice over: nothing says which of the two was meant.
- What nobody asked for is not looked at.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.xds.body_name import body_name
from dataplane.xds.messages import Decoder, RawResource, Response
from dataplane.xds.store import Entry, Refused, Store
from dataplane.xds.types import ResourceType

log = logging.getLogger("config")

# A server's gRPC library takes 4 MiB by default, and nobody reads that much.
MAX_ERROR_TEXT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a response did.  answered: names that got an answer, good or bad.  error: the text of the NACK, None for an ACK."""

    changed: dict[str, object] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    error: str | None = None

    @property
    def answered(self) -> tuple[str, ...]:
        return (*self.accepted, *self.refused, *self.absent)


class Intake:
    """Take `step` until it says False, then `commit` once: nothing is in the store before.

    complete: what the response leaves out is not there any more.  now: monotonic, for times to live.  wall: calendar time, for the status.
    """

    __slots__ = (
        "_changed",
        "_complete",
        "_decode",
        "_now",
        "_problems",
        "_raw",
        "_response",
        "_staged",
        "_store",
        "_type",
        "_unnamed",
        "_wall",
        "_wants",
    )

    def __init__(
        self,
        store: Store,
        kind: ResourceType,
        response: Response,
        *,
        complete: bool,
        wants: Callable[[str], bool],
        decode: Decoder,
        now: float,
        wall: float,
    ) -> None:
        self._store = store
        self._type = kind
        self._complete = complete
        self._wants = wants
        self._decode = decode
        self._now = now
        self._wall = wall
        self._response = response
        self._raw: Iterator[RawResource] = iter(response.resources)
        self._staged: dict[str, Entry] = {}
        self._changed: dict[str, object] = {}
        self._problems: dict[str, Refused] = {}
        self._unnamed: list[str] = []

    def step(self) -> bool:
        """Judge one resource.  False: there was none left."""
        raw = next(self._raw, None)
        if raw is None:
            return False
        name = raw.name or body_name(raw.body or b"")
        if name and not self._wants(name):
            return True
        try:
            self._judge(name, raw)
        except (ConfigError, InvalidResource) as error:
            self._refuse(name, raw.version, raw.body, str(error))
        except Exception as error:
            log.exception("decoding %s %r failed", self._type.noun, name)
            self._refuse(name, raw.version, raw.body, f"internal error: {error!r}")
        return True

    def commit(self) -> Outcome:
        """Keep what was good."""
        self._refuse_contradictions()
        # Decoding took turns with the rest of the process, which may have changed its mind about names.
        for name in [name for name in self._staged if not self._wants(name)]:
            self._unstage(name)
        self._store.put_all(self._staged)
        for name, refused in self._problems.items():
            self._store.refuse(name, refused)
        gone = self._gone()
        removed = tuple(name for name in gone if self._store.remove(name))
        return Outcome(self._changed, removed, tuple(self._staged), tuple(self._problems), gone, self._error_text())

    def _judge(self, name: str, raw: RawResource) -> None:
        known = self._store.get(name)
        if raw.body is None:
            if known is None or raw.ttl is None:
                raise _refusal(name, "no resource in the wrapper")
            self._stage(name, raw, known, known.value)
        elif raw.type_url != self._type.url:
            raise _refusal(name, f"type URL {raw.type_url!r} does not match {self._type.url!r} of the response")
        elif known is not None and known.body == raw.body:
            self._stage(name, raw, known, known.value)
        else:
            decoded = self._decode(raw.type_url, raw.body)
            if raw.name and decoded.name != raw.name:
                raise _refusal(name, f"the resource calls itself {decoded.name!r}")
            self._stage(decoded.name, raw, None, decoded.value)

    def _stage(self, name: str, raw: RawResource, known: Entry | None, value: object) -> None:
        """known: the entry whose bytes these are already."""
        if name in self._staged or name in self._problems:
            self._refuse(name, raw.version, raw.body, "duplicate name in one response")
            return
        self._staged[name] = Entry(
            version=raw.version or self._response.version_info,
            body=raw.body if known is None else known.body,
            value=value,
            updated=self._wall if known is None else known.updated,
            expires=None if raw.ttl is None else self._now + raw.ttl,
        )
        if known is None:
            self._changed[name] = value

    def _unstage(self, name: str) -> None:
        del self._staged[name]
        self._changed.pop(name, None)

    def _refuse(self, name: str, version: str, body: bytes | None, text: str) -> None:
        if not name:
            self._unnamed.append(text)
            return
        if not text.startswith(name) and f"{{{name}}}" not in text:
            text = f"{name}: {text}"
        if name in self._staged:
            self._unstage(name)
        # The first reason stands: what follows under the same name is only "duplicate".
        self._problems.setdefault(name, Refused(version, body or b"", text, self._wall))

    def _refuse_contradictions(self) -> None:
        for name in self._response.removed:
            entry = self._staged.get(name)
            if entry is not None:
                self._refuse(name, entry.version, entry.body, "both sent and removed in one response")

    def _gone(self) -> tuple[str, ...]:
        """Names that the response says are not there."""
        if not self._complete:
            return tuple(name for name in self._response.removed if self._wants(name) and name not in self._problems)
        if self._unnamed:  # a bad resource without a name may be any of those that seem to be missing
            return ()
        seen = self._staged.keys() | self._problems.keys()
        return tuple(name for name in self._store.entries if name not in seen)

    def _error_text(self) -> str | None:
        texts = [*self._unnamed, *(refused.details for refused in self._problems.values())]
        if not texts:
            return None
        error = f"Error adding/updating {self._type.noun}(s) " + "; ".join(texts)
        if len(error) > MAX_ERROR_TEXT:
            error = f"{error[:MAX_ERROR_TEXT]}... ({len(texts)} refused in all)"
        return error


def _refusal(name: str, reason: str) -> ConfigError:
    return ConfigError(FieldPath(name), reason)
