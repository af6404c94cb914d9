"""Everything an operator can do, once: REST, gRPC and tests call this.

Here: the order of things (check, compare, store, publish) and what is published now.  Not here: the wire (admin), checking (build), the
next configuration (revisions), sending (delivery).
Rules this file owns:
- One writer at a time in this process; a writer in another process is noticed by the store, and the change is made again on top of its.
- What is published is what is stored, and it is stored first: a crash between the two costs nothing, the next start publishes it.
- A change that leaves the configuration as it is makes no revision.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from controlplane.base.errors import Conflict, NotFound, Problem, Refused
from controlplane.base.group import Group
from controlplane.base.resource import DEFAULT_GROUP, GroupName, Resource, ResourceSet, Revision
from controlplane.build.preflight import Checked, Document, EncodedResource
from controlplane.build.references import References
from controlplane.delivery.status import ProxyStatus
from controlplane.revisions.configuration import Change, Configuration, ResourceKey, changed
from controlplane.revisions.diff import Difference, difference
from controlplane.revisions.effective import resource_sets
from controlplane.revisions.history import History, Stored
from controlplane.revisions.record import NO_REVISION, RevisionInfo
from controlplane.service.events import Broadcast, Event
from controlplane.service.selection import Selection, matches
from controlplane.store.contract import Compacted

log = logging.getLogger("management")

# How often a change is made again after another process was faster.  Each failure means that somebody else succeeded.
ATTEMPTS = 10


class Delivery(Protocol):
    """What the service needs of delivery (`controlplane.delivery.hub.Hub`)."""

    def publish(self, group: GroupName, resources: ResourceSet) -> None: ...

    def reselect(self) -> None: ...

    def proxies(self) -> Sequence[ProxyStatus]: ...


Check = Callable[[Sequence[Document], Sequence[EncodedResource]], Checked]


@dataclass(frozen=True, slots=True)
class Edit:
    """What to put and what to delete.  group: where documents and encoded resources belong.  prune: delete what else it has."""

    documents: tuple[Document, ...] = ()
    encoded: tuple[EncodedResource, ...] = ()
    deletes: frozenset[ResourceKey] = frozenset()
    groups: tuple[Group, ...] = ()
    group_deletes: frozenset[GroupName] = frozenset()
    group: GroupName = DEFAULT_GROUP
    prune: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """On whose behalf and under which conditions.  expected: refuse unless the configuration is at this revision."""

    author: str = ""
    message: str = ""
    dry_run: bool = False
    expected: Revision | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """info: the new revision; the current one when nothing differed or for a dry run."""

    info: RevisionInfo
    difference: Difference
    warnings: tuple[Problem, ...]
    dry_run: bool

    @property
    def unchanged(self) -> bool:
        return not (self.difference.groups or self.difference.resources)


class Management:
    """The one service behind all spellings of the API.  Used from one event loop; `start` before anything else."""

    def __init__(
        self,
        history: History,
        delivery: Delivery,
        selection: Selection,
        check: Check,
        events: Broadcast,
        wall: Callable[[], float],
    ) -> None:
        self._history = history
        self._delivery = delivery
        self._selection = selection
        self._check = check
        self._wall = wall
        self._writing = asyncio.Lock()
        self._references = References()
        self._sets: Mapping[GroupName, ResourceSet] = {}
        self.events = events

    @property
    def newest(self) -> Stored:
        return self._history.newest

    async def start(self) -> None:
        """Publish what is stored.  Proxies may be let in only after this, or they would be sent an emptier world.

        A store in which nothing was ever written says nothing to proxies: it may be a lost volume, and they may have a configuration.
        """
        loaded = await self._history.load()
        if loaded.info.revision:
            self._adopt(loaded)

    async def follow(self) -> None:
        """Publish revisions that other processes append, until cancelled."""
        while True:
            try:
                async for revision in self._history.follow():
                    if revision > self.newest.info.revision:
                        await self._catch_up()
            except Compacted:
                await self._catch_up()

    async def apply(self, edit: Edit, terms: Terms) -> Outcome:
        """Make the edit one revision.  Raises Refused, NotFound, Conflict."""
        checked = await asyncio.to_thread(self._check, edit.documents, edit.encoded)
        if checked.problems:
            raise Refused(checked.problems)
        change = Change(
            puts={ResourceKey(edit.group, each.type_url, each.name): each for each in checked.resources},
            deletes=edit.deletes,
            group_puts={group.name: group for group in edit.groups},
            group_deletes=edit.group_deletes,
            prune=frozenset([edit.group]) if edit.prune else frozenset(),
        )
        return await self._write(lambda current: changed(current, change), terms)

    async def roll_back(self, revision: Revision, terms: Terms) -> Outcome:
        """Make a new revision equal to an old one.  Raises NotFound, Conflict."""
        target = (await self._history.read(revision)).configuration
        return await self._write(lambda current: target, terms, restores=revision)

    async def at(self, revision: Revision) -> Stored:
        """A revision; 0: the newest.  Raises NotFound."""
        return await self._history.read(revision) if revision else self.newest

    async def revisions(self, limit: int, before: Revision) -> list[RevisionInfo]:
        return await self._history.infos(limit, before)

    async def diff(self, before: Revision | None, after: Revision) -> tuple[RevisionInfo, RevisionInfo, Difference]:
        """before: None for the one before *after*.  Raises NotFound."""
        new = await self.at(after)
        old = await self._history.read(Revision(max(0, new.info.revision - 1)) if before is None else before)
        return old.info, new.info, difference(old.configuration, new.configuration)

    async def resources(
        self, group: GroupName | None, type_url: str, name: str, revision: Revision, *, effective: bool
    ) -> tuple[Revision, list[tuple[ResourceKey, Resource]]]:
        """Resources by group (None: all), type ("": all) and name pattern ("": all), sorted.  Raises NotFound.

        effective: what the proxies of the group get, under that group, instead of what the group has itself.
        """
        stored = await self.at(revision)
        if group is not None and stored.configuration.group(group) is None:
            raise NotFound(f"group {group} does not exist")
        pairs = _effective(stored) if effective else list(stored.configuration.resources.items())
        wanted = [
            (key, resource)
            for key, resource in pairs
            if group in (None, key.group) and type_url in ("", key.type_url) and (not name or matches(name, key.name))
        ]
        return stored.info.revision, sorted(wanted, key=lambda pair: pair[0])

    def proxies(self, group: GroupName | None) -> list[ProxyStatus]:
        """Who is connected, by node id; group: None for all."""
        return sorted((each for each in self._delivery.proxies() if group in (None, each.group)), key=_by_node)

    async def _write(
        self, make: Callable[[Configuration], Configuration], terms: Terms, restores: Revision = NO_REVISION
    ) -> Outcome:
        # A caller that goes away must not leave a revision stored and unpublished.
        return await asyncio.shield(self._write_locked(make, terms, restores))

    async def _write_locked(self, make: Callable[[Configuration], Configuration], terms: Terms, restores: Revision) -> Outcome:
        async with self._writing:
            for _ in range(ATTEMPTS):
                current = self.newest
                if terms.expected is not None and terms.expected != current.info.revision:
                    raise Conflict(terms.expected, current.info.revision)
                after = make(current.configuration)
                differing = difference(current.configuration, after)
                outcome = Outcome(current.info, differing, await self._warnings(current, after, differing), terms.dry_run)
                if outcome.unchanged or terms.dry_run:
                    return outcome
                try:
                    stored = await self._history.append(self._info(current, differing, terms, restores), after)
                except Conflict:
                    self._adopt(await self._history.load())
                    continue
                self._adopt(stored)
                return Outcome(stored.info, differing, outcome.warnings, dry_run=False)
            raise Conflict(current.info.revision, self.newest.info.revision)

    def _info(self, current: Stored, differing: Difference, terms: Terms, restores: Revision) -> RevisionInfo:
        return RevisionInfo(
            revision=Revision(current.info.revision + 1),
            author=terms.author,
            message=terms.message or (f"roll back to revision {restores}" if restores else ""),
            created=self._wall(),
            restores=restores,
            added=differing.count("added"),
            changed=differing.count("changed"),
            removed=differing.count("removed"),
        )

    async def _warnings(self, current: Stored, after: Configuration, differing: Difference) -> tuple[Problem, ...]:
        """References that lead nowhere and that this change touches or causes."""
        touched = {change.key for change in differing.resources}
        new_sets = resource_sets(NO_REVISION, after, self._sets)
        before = await asyncio.to_thread(self._references.dangling, current.configuration, self._sets)
        dangling = await asyncio.to_thread(self._references.dangling, after, new_sets)
        return tuple(each.problem() for each in sorted(dangling) if each not in before or each.key in touched)

    async def _catch_up(self) -> None:
        async with self._writing:
            loaded = await self._history.load()
            self._adopt(loaded)

    def _adopt(self, stored: Stored) -> None:
        """Publish a revision: resources before selection, so that no proxy is moved to a group that has nothing yet."""
        self._sets = resource_sets(stored.info.revision, stored.configuration, self._sets)
        for group, resources in self._sets.items():
            self._delivery.publish(group, resources)
        groups = stored.configuration.all_groups()
        if groups != self._selection.groups:
            self._selection.groups = groups
            self._delivery.reselect()
        info = stored.info
        log.info("revision %d published: %r", info.revision, info.message)
        self.events.send(Event(self._wall(), "revision", info.revision, text=info.message))


def _by_node(status: ProxyStatus) -> tuple[str, int]:
    return status.node.node_id, status.proxy_id


def _effective(stored: Stored) -> list[tuple[ResourceKey, Resource]]:
    return [
        (ResourceKey(group, type_url, name), resource)
        for group, resources in resource_sets(stored.info.revision, stored.configuration, {}).items()
        for type_url, by_name in resources.by_type.items()
        for name, resource in by_name.items()
    ]
