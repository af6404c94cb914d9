"""Which cores do what: the proxy has the first one for itself, load and upstream share the last."""

from __future__ import annotations

import os
from collections.abc import Callable

_AVAILABLE = sorted(os.sched_getaffinity(0))
PROXY_CORE = _AVAILABLE[0]
LOAD_CORE = _AVAILABLE[-1]


def pinned(core: int) -> Callable[[], None]:
    """For `preexec_fn`: the child, and what it starts, runs on *core* only."""

    def pin() -> None:
        os.sched_setaffinity(0, {core})

    return pin
