"""What a client has of one type, what it shall have, and what has to be sent to get there.

Here: `WholeInventory` for clients that are told of everything (or of a selection that a response always holds in full), and
`NamedInventory` for clients that are told of single resources.  Not here: protocols (sotw, delta), when removals go (order).

"Has" means: was sent to it.  A refused response counts, for sending it again would only be refused again.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from controlplane.base.resource import Resource
from controlplane.delivery.cache import Cache
from controlplane.delivery.order import Hold
from controlplane.delivery.snapshot import Changes, TypeView, empty_view

# Said in place of a version when the client was told that a resource does not exist.
ABSENT = ""


class WholeInventory:
    """The client has *base* and what is held; it shall have *goal*.  Views are shared, so thousands of clients cost no copies."""

    __slots__ = ("_cache", "base", "changes", "goal", "held", "owed")

    def __init__(self, cache: Cache, type_url: str) -> None:
        self._cache = cache
        self.base = self.goal = empty_view(type_url)
        self.changes: Changes = cache.changes(self.base, self.goal)
        self.held: dict[str, Hold] = {}
        self.owed = True  # a first request is answered even if there is nothing to tell

    @property
    def pending(self) -> bool:
        """Whether there is something to send besides removals."""
        return self.owed or bool(self.changes.changed)

    def assume(self, base: TypeView) -> None:
        """The client has come with *base*: it is owed only what differs."""
        self.base = base
        self.owed = False
        self.changes = self._cache.changes(base, self.goal)

    def aim(self, goal: TypeView, journey: int, now: float) -> None:
        """The client shall have *goal* from now on."""
        self.goal = goal
        self.changes = self._cache.changes(self.base, goal)
        for name in [name for name in self.held if name in goal.resources]:
            del self.held[name]
        for name in self.changes.removed:
            self.held.setdefault(name, Hold(self.base.resources[name], journey, now))
        if not self.changes.changed:
            self._reach()

    def drop_selection(self, base: TypeView, names: Iterable[str]) -> None:
        """The client has given up *names* by itself and has *base* left."""
        self.base = base
        for name in names:
            self.held.pop(name, None)

    def sent(self, released: Iterable[str]) -> None:
        """Everything but the held resources was sent, and of these the released ones were removed."""
        for name in released:
            del self.held[name]
        self.owed = False
        self._reach()

    def _reach(self) -> None:
        self.base = self.goal
        self.changes = self._cache.changes(self.goal, self.goal)


class NamedInventory:
    """The client has *have*; it shall have of the goal what it named.

    have: version by name; ABSENT where the client was told so.  due: names to send, or to call absent.
    tell_absent: whether the protocol has words for "does not exist" (delta has, SotW has not).
    """

    __slots__ = ("_tell_absent", "due", "goal", "have", "held", "names")

    def __init__(self, type_url: str, tell_absent: bool) -> None:
        self._tell_absent = tell_absent
        self.goal = empty_view(type_url)
        self.names: set[str] = set()
        self.have: dict[str, str] = {}
        self.due: set[str] = set()
        self.held: dict[str, Hold] = {}

    @property
    def pending(self) -> bool:
        return bool(self.due)

    def assume(self, versions: dict[str, str]) -> None:
        """The client has come with these; names it did not subscribe to are none of ours."""
        self.have = {name: version for name, version in versions.items() if name in self.names}

    def aim(self, goal: TypeView, changes: Changes, journey: int, now: float) -> None:
        """The client shall have its part of *goal*.  changes: from the goal before to this one."""
        self.goal = goal
        touched = changes.changed | changes.removed
        smaller, larger = (touched, self.names) if len(touched) < len(self.names) else (self.names, touched)
        for name in smaller:
            if name in larger:
                self._examine(name, journey, now)

    def examine_all(self, goal: TypeView, journey: int, now: float) -> None:
        """The same for a goal that was not preceded by another."""
        self.goal = goal
        for name in self.names:
            self._examine(name, journey, now)

    def subscribe(self, names: Iterable[str], journey: int, now: float) -> None:
        """The client asks for *names*, and may have forgotten what it was sent of them."""
        for name in names:
            self.names.add(name)
            self.have.pop(name, None)
            self._examine(name, journey, now)

    def send_again(self, names: Set[str]) -> None:
        """What the client has of these is due once more, if there is still such a thing."""
        self.due |= names & self.names & self.goal.resources.keys()

    def unsubscribe(self, names: Iterable[str]) -> None:
        for name in names:
            self.names.discard(name)
            self.due.discard(name)
            self.have.pop(name, None)
            self.held.pop(name, None)

    def sent(self, released: Iterable[str]) -> None:
        """What was due was sent, and of the held resources the released ones were removed."""
        for name in self.due:
            self.have[name] = self.goal.version_of(name)  # ABSENT where there is none
        self.due.clear()
        for name in released:
            self.have[name] = ABSENT
            del self.held[name]

    def _examine(self, name: str, journey: int, now: float) -> None:
        resource = self.goal.resources.get(name)
        has = self.have.get(name)
        if resource is not None:
            self.held.pop(name, None)
            self._set_due(name, has != resource.version)
        elif has:  # SotW has no word for a removal: the client keeps it until it unsubscribes
            self._set_due(name, False)
            if self._tell_absent:
                self.held.setdefault(name, Hold(Resource(self.goal.type_url, name, b"", has), journey, now))
        else:
            self._set_due(name, self._tell_absent and has is None)

    def _set_due(self, name: str, is_due: bool) -> None:
        if is_due:
            self.due.add(name)
        else:
            self.due.discard(name)
