"""One resource type from one source: what is wanted, what is had, what was said of it last.  Without I/O.

Here: a subscription, its store, its deadlines, its statistics and its status, kept in step.
Not here: streams and files (client), the words of a protocol (sotw, delta), what one response does to the store (intake).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.observe.stats import Scope
from dataplane.xds.intake import Intake, Outcome
from dataplane.xds.journal import JournaledResource
from dataplane.xds.messages import Decoder, Response
from dataplane.xds.mux import Machine
from dataplane.xds.settling import Settling
from dataplane.xds.source import Source
from dataplane.xds.status import ClientStatus, ResourceStatus, TypeStatus, UpdateFailureState
from dataplane.xds.store import Entry, Store
from dataplane.xds.subscription import STAR, Change, Subscription
from dataplane.xds.subscription_stats import SubscriptionStats
from dataplane.xds.types import ResourceType

log = logging.getLogger("config")

# Names, or names with an initial fetch timeout of their own in seconds (0 for ever).
Names = Collection[str] | Mapping[str, float]

_NO_CHANGE = Change((), ())


@dataclass(frozen=True, slots=True)
class Update:
    """What the owner of the configuration has to be told.  settled: names, `*` for the wildcard."""

    changed: dict[str, object] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    settled: tuple[str, ...] = ()


class Watch:
    """machine is set by whoever opens the stream; it stays None for a file, which is not answered."""

    __slots__ = (
        "_last_error",
        "_last_nonce",
        "_last_updated",
        "_parked",
        "_settling",
        "_stats",
        "_timeout",
        "full_state",
        "is_recalled",
        "kind",
        "machine",
        "source",
        "store",
        "subscription",
        "version_info",
    )

    def __init__(self, kind: ResourceType, source: Source, timeout: float, stats: SubscriptionStats, *, full_state: bool) -> None:
        self.kind = kind
        self.source = source
        self.full_state = full_state  # a response lists everything there is
        self.subscription = Subscription()
        self.store = Store()
        self.machine: Machine | None = None
        self.version_info = ""
        self.is_recalled = False  # what is had comes from the journal, and no server has spoken yet
        self._timeout = timeout
        self._settling = Settling()
        self._stats = stats
        # Dropped, but for all we know the server believes otherwise.  What it sends of them is kept: it would not send it again if they
        # were wanted again before it hears of it.
        self._parked: set[str] = set()
        self._last_nonce = ""
        self._last_updated = 0.0
        self._last_error = ""

    def replace(self, names: Names, now: float) -> tuple[Change, Update]:
        """Want exactly *names*.  The update holds the values of added names that are had still."""
        timeouts: Mapping[str, float] = names if isinstance(names, Mapping) else {}
        change = self.subscription.replace(names)
        if not change:
            return _NO_CHANGE, Update()
        self._parked.update(change.dropped)
        self._parked.difference_update(change.added)
        self._settling.forget(change.dropped)
        for name in change.added:
            self._settling.expect(name, now, timeouts.get(name, self._timeout))
        self._stats.dropped(change.dropped)
        self._stats.wanted(change.added)
        if self.machine is not None:
            self.machine.change(change)
        had = {name: entry.value for name in change.added if (entry := self.store.get(name)) is not None}
        return change, Update(had, (), self._settling.answered(had))

    def recall(self, known: Iterable[JournaledResource], decode: Decoder) -> Update:
        """Begin with what an earlier process had of the names that are wanted and not had.

        A stream says these versions as its own, if its protocol says versions by name (delta).
        """
        entries: dict[str, Entry] = {}
        for each in known:
            if self.subscription.wants(each.name) and each.name not in self.store.entries:
                try:
                    entries[each.name] = Entry(each.version, each.body, decode(self.kind.url, each.body).value)
                except (ConfigError, InvalidResource) as error:
                    log.warning("the journal's %s %r is not used: %s", self.kind.noun, each.name, error)
        self.is_recalled = self.is_recalled or bool(entries) or self.subscription.wildcard
        self.store.put_all(entries)
        settled = self._settling.answered((STAR, *entries))
        return Update({name: entry.value for name, entry in entries.items()}, (), settled)

    def told(self) -> None:
        """The source knows what is wanted now: values of other names are forgotten."""
        for name in self._parked:
            if not self.subscription.wants(name):
                self.store.remove(name)
        self._parked.clear()

    def versions(self) -> dict[str, str]:
        """What a server need not send again when a stream opens."""
        return {name: entry.version for name, entry in self.store.accepted() if self.subscription.wants(name)}

    def intake(self, response: Response, decode: Decoder, now: float, wall: float) -> Intake:
        """Begin with a response.  now: monotonic.  wall: calendar time."""
        self._last_nonce = response.nonce
        if self.machine is not None:
            self.machine.received(response.nonce, response.version_info)
        return Intake(
            self.store, self.kind, response, complete=self.full_state, wants=self._follows, decode=decode, now=now, wall=wall
        )

    def finish(self, intake: Intake, version_info: str, wall: float, took: float = 0.0) -> Update:
        """Keep what was good, answer the server, note the rest.  took: seconds from the arrival of the response."""
        outcome = intake.commit()
        for name in outcome.absent:
            if name in self.subscription:
                self.store.mark_absent(name)
        self._answer(outcome, version_info, wall)
        self._count(outcome, version_info, wall, took)
        wants = self.subscription.wants
        self._parked.update(name for name in outcome.answered if not wants(name))
        changed = {name: value for name, value in outcome.changed.items() if wants(name)}
        removed = tuple(name for name in outcome.removed if wants(name))
        return Update(changed, removed, self._settling.answered((STAR, *outcome.answered)))

    def expire(self, now: float) -> Update:
        """Times to live that are over, and first answers that are no longer waited for."""
        removed = tuple(name for name in self.store.expired(now) if self.store.remove(name))
        settled = self._settling.expire(now)
        self._stats.timed_out(settled)
        return Update({}, removed, settled)

    @property
    def has_answer(self) -> bool:
        """Whether it was said, now or before this process, what there is."""
        return bool(self.version_info) or self.is_recalled or any(True for _ in self.store.accepted())

    def journaled(self) -> Iterator[JournaledResource]:
        """What is worth remembering: everything that is wanted, accepted, and not about to go by itself."""
        for name, entry in self.store.accepted():
            if self.subscription.wants(name) and entry.expires is None and entry.body is not None:
                yield JournaledResource(name, entry.version, entry.body)

    def failed(self, reason: str) -> None:
        """The stream broke or the file was unreadable: everything that is had stays."""
        self._stats.failed(self.subscription.names)
        self._last_error = reason

    def scope(self) -> Scope:
        """Where the stats of a stream of its own belong: those of the first name."""
        return self._stats.scope(next(iter(self.subscription.names), STAR))

    def next_deadline(self) -> float | None:
        deadlines = [deadline for deadline in (self._settling.next_deadline(), self.store.next_expiry()) if deadline is not None]
        return min(deadlines, default=None)

    def status(self) -> TypeStatus:
        names = dict.fromkeys((*self.subscription.names, *self.store.entries))
        names.pop(STAR, None)
        resources = {name: self._resource_status(name) for name in names}
        return TypeStatus(
            self.kind.url, self.source, self.version_info, self._last_nonce, self._last_updated, self._last_error, resources
        )

    def _follows(self, name: str) -> bool:
        """Whether *name* is wanted, or the server may believe so."""
        return self.subscription.wants(name) or (self.machine is not None and self.machine.follows(name))

    def _answer(self, outcome: Outcome, version_info: str, wall: float) -> None:
        self._last_error = outcome.error or ""
        if outcome.error is None:
            self.version_info = version_info
            self._last_updated = wall
        if self.machine is None:
            return
        if outcome.error is None:
            self.machine.accept()
        else:
            self.machine.refuse(outcome.error)

    def _count(self, outcome: Outcome, version_info: str, wall: float, took: float) -> None:
        if self.subscription.wildcard:
            whole: tuple[str, ...] = (STAR,)
            accepted = whole if outcome.error is None else ()
            refused = () if outcome.error is None else whole
            changed = whole if outcome.changed or outcome.removed else ()
        else:
            accepted, refused, changed = outcome.accepted, outcome.refused, tuple(outcome.changed)
        self._stats.accepted(accepted, version_info, wall, took)
        self._stats.refused(refused)
        if self.kind.counts_reloads:
            self._stats.reloaded(changed, wall)

    def _resource_status(self, name: str) -> ResourceStatus:
        entry = self.store.entries.get(name)
        if entry is None:
            waiting = self._settling.awaits(name)
            return ResourceStatus(name, ClientStatus.REQUESTED if waiting else ClientStatus.TIMEOUT)
        return ResourceStatus(name, _client_status(entry), entry.version, entry.updated, _failure_state(entry))


def _client_status(entry: Entry) -> ClientStatus:
    if entry.refused is not None:
        return ClientStatus.NACKED
    return ClientStatus.DOES_NOT_EXIST if entry.absent else ClientStatus.ACKED


def _failure_state(entry: Entry) -> UpdateFailureState | None:
    refused = entry.refused
    if refused is None:
        return None
    return UpdateFailureState(refused.version, refused.body, refused.details, refused.wall)
