"""The data plane with a leak of ours in it: run in the place of `python -m dataplane`, as `planted.py KIND,… AMOUNT FLAGS…`.

So the judge can be judged.  What is patched is interpreted in a compiled data plane, too.  Nothing of this is known to the product.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from dataplane.cli import main
from dataplane.listener.connection import Connection
from dataplane.listener.listener import ActiveListener
from dataplane.listener.manager import ListenerManager
from dataplane.snapshot.snapshot import Snapshot

# Of so many connections one leaves something, where one that is left is one too many.
_SELDOM: Final = 20

_kept: list[Any] = []


def _with_each_connection(leave: Callable[[], Any]) -> None:
    closed = ActiveListener.on_closed

    def on_closed(self: ActiveListener, connection: Connection) -> None:
        closed(self, connection)
        _kept.append(leave())

    ActiveListener.on_closed = on_closed  # type: ignore[method-assign]


def _seldom(leave: Callable[[], Any]) -> Callable[[], Any]:
    turn = itertools.cycle(range(_SELDOM))
    return lambda: None if next(turn) else leave()


def _with_each_generation(leave: Callable[[], Any]) -> None:
    followed = ListenerManager.apply

    async def apply(self: ListenerManager, previous: Snapshot, current: Snapshot) -> None:
        await followed(self, previous, current)
        _kept.append(leave())

    ListenerManager.apply = apply  # type: ignore[method-assign]


def _objects(amount: int) -> None:
    """amount: how many with each generation of the configuration."""
    _with_each_generation(lambda: [object() for _ in range(amount)])


def _heap(amount: int) -> None:
    """amount: hundreds of bytes with each generation, in one piece of the C library's."""
    _with_each_generation(lambda: bytearray(amount * 100))


def _descriptors(_: int) -> None:
    """Several, for where connections are counted that have none any more."""
    _with_each_connection(_seldom(lambda: [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]))


def _tasks(_: int) -> None:
    _with_each_connection(_seldom(lambda: asyncio.get_running_loop().create_task(asyncio.Event().wait())))


def _connections(_: int) -> None:
    """Now and then the end of one that nobody notices."""
    closed = ActiveListener.on_closed
    turn = itertools.cycle(range(_SELDOM))

    def on_closed(self: ActiveListener, connection: Connection) -> None:
        if next(turn):
            closed(self, connection)

    ActiveListener.on_closed = on_closed  # type: ignore[method-assign]


_PLANT: Final = {
    "objects": _objects,
    "heap": _heap,
    "descriptors": _descriptors,
    "tasks": _tasks,
    "connections": _connections,
}

if __name__ == "__main__":
    kinds, amount = sys.argv[1:3]
    del sys.argv[1:3]
    for kind in kinds.split(","):
        _PLANT[kind](int(amount))
    main(prog_name="dataplane")
