"""Looking for what only the collector of cycles would free: in the proxy it runs rarely, so that what ends must go by itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collector() -> Iterator[None]:
    """Inside the block cycles stay."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def living(*kinds: type) -> list[str]:
    """The objects of exactly these types, wherever they are."""
    return [repr(found) for found in gc.get_objects() if type(found) in kinds]
