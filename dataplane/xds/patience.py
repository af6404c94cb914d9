"""How long something is missed before nobody waits for it any more, without a clock.

Here: since when each name is missed.  Not here: what is missing and who misses it (warming).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that is waited for.  Monotonic times; deadline None: for ever."""

    name: str
    since: float
    deadline: float | None


class Patience:
    """One kind of name.  Whoever misses it first starts its clock; the clock stops only when the name was seen."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def miss(self, name: str, now: float, timeout: float) -> Missing | None:
        """Note that *name* is missing.  None: it was missed for *timeout* seconds already, so go on without it.

        timeout: 0 waits for ever.
        """
        since = self._since.setdefault(name, now)
        deadline = since + (timeout or _NEVER)
        if deadline <= now:
            return None
        return Missing(name, since, None if deadline == _NEVER else deadline)

    def settle(self, seen: Collection[str], named: Callable[[], Collection[str]]) -> None:
        """Stop the clocks of names that are there, or that nobody names any more (else they would pile up)."""
        if self._since:
            still_named = named()
            self._since = {name: since for name, since in self._since.items() if name not in seen and name in still_named}
