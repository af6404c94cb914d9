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
from dataplane.xds.messages import Decoded, Decoder, RawResource, Response
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


@dataclass(slots=True)
class _Staged:
    raw: RawResource
    value: object
    known: Entry | None  # the entry whose bytes these are already


class Intake:
    """Take `step` until it says False, then `commit` once.  complete: what the response leaves out is not there any more."""

    __slots__ = ("_complete", "_decode", "_problems", "_raw", "_response", "_staged", "_store", "_type", "_unnamed", "_wants")

    def __init__(
        self,
        store: Store,
        kind: ResourceType,
        response: Response,
        *,
        complete: bool,
        wants: Callable[[str], bool],
        decode: Decoder,
    ) -> None:
        self._store = store
        self._type = kind
        self._complete = complete
        self._wants = wants
        self._decode = decode
        self._response = response
        self._raw: Iterator[RawResource] = iter(response.resources)
        self._staged: dict[str, _Staged] = {}
        self._problems: dict[str, tuple[RawResource, str]] = {}
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
            staged_name, staged = self._judge(name, raw)
        except (ConfigError, InvalidResource) as error:
            self._refuse(name, raw, str(error))
        except Exception as error:
            log.exception("decoding %s %r failed", self._type.noun, name)
            self._refuse(name, raw, f"internal error: {error!r}")
        else:
            self._stage(staged_name, staged)
        return True

    def commit(self, now: float, wall: float) -> Outcome:
        """Keep what was good.  now: monotonic, for times to live.  wall: calendar time, for the status."""
        self._refuse_contradictions()
        # Decoding took turns with the rest of the process, which may have changed its mind about names.
        self._staged = {name: staged for name, staged in self._staged.items() if self._wants(name)}
        changed = {name: staged.value for name, staged in self._staged.items() if staged.known is None}
        for name, staged in self._staged.items():
            self._store.put(name, _entry(staged, self._response.version_info, now, wall))
        for name, (raw, text) in self._problems.items():
            self._store.refuse(name, Refused(raw.version, raw.body or b"", text, wall))
        gone = self._gone()
        removed = tuple(name for name in gone if self._store.remove(name))
        return Outcome(changed, removed, tuple(self._staged), tuple(self._problems), gone, self._error_text())

    def _judge(self, name: str, raw: RawResource) -> tuple[str, _Staged]:
        known = self._store.get(name)
        if raw.body is None:
            return name, self._prolong(name, raw, known)
        if raw.type_url != self._type.url:
            raise _refusal(name, f"type URL {raw.type_url!r} does not match {self._type.url!r} of the response")
        if known is not None and known.body == raw.body:
            return name, _Staged(raw, known.value, known)
        decoded: Decoded = self._decode(raw.type_url, raw.body)
        if raw.name and decoded.name != raw.name:
            raise _refusal(name, f"the resource calls itself {decoded.name!r}")
        return decoded.name, _Staged(raw, decoded.value, None)

    def _prolong(self, name: str, raw: RawResource, known: Entry | None) -> _Staged:
        if known is None or raw.ttl is None:
            raise _refusal(name, "no resource in the wrapper")
        return _Staged(RawResource(name, self._type.url, known.body, raw.version, raw.ttl), known.value, known)

    def _stage(self, name: str, staged: _Staged) -> None:
        if not self._wants(name):
            return
        if name in self._staged or name in self._problems:
            self._refuse(name, staged.raw, "duplicate name in one response")
        else:
            self._staged[name] = staged

    def _refuse(self, name: str, raw: RawResource, text: str) -> None:
        if not name:
            self._unnamed.append(text)
            return
        if not text.startswith(name) and f"{{{name}}}" not in text:
            text = f"{name}: {text}"
        self._staged.pop(name, None)
        # The first reason stands: what follows under the same name is only "duplicate".
        self._problems.setdefault(name, (raw, text))

    def _refuse_contradictions(self) -> None:
        for name in self._response.removed:
            if name in self._staged:
                self._refuse(name, self._staged[name].raw, "both sent and removed in one response")

    def _gone(self) -> tuple[str, ...]:
        """Names that the response says are not there."""
        if not self._complete:
            return tuple(name for name in self._response.removed if self._wants(name) and name not in self._problems)
        if self._unnamed:  # a bad resource without a name may be any of those that seem to be missing
            return ()
        seen = self._staged.keys() | self._problems.keys()
        return tuple(name for name in self._store.entries if name not in seen)

    def _error_text(self) -> str | None:
        texts = [*self._unnamed, *(text for _, text in self._problems.values())]
        if not texts:
            return None
        error = f"Error adding/updating {self._type.noun}(s) " + "; ".join(texts)
        if len(error) > MAX_ERROR_TEXT:
            error = f"{error[:MAX_ERROR_TEXT]}... ({len(texts)} refused in all)"
        return error


def _refusal(name: str, reason: str) -> ConfigError:
    return ConfigError(FieldPath(name), reason)


def _entry(staged: _Staged, version_info: str, now: float, wall: float) -> Entry:
    raw = staged.raw
    return Entry(
        version=raw.version or version_info,
        body=raw.body,
        value=staged.value,
        updated=wall if staged.known is None else staged.known.updated,
        expires=None if raw.ttl is None else now + raw.ttl,
    )
