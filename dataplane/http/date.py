"""The `date` field, formatted once a second.  RFC 9110 section 5.6.7."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate

from dataplane.semantics.header_map import Field


class DateField:
    """Calling it gives the field for now."""

    __slots__ = ("_clock", "_field", "_second")

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = -1
        self._field: Field = (b"date", b"")

    def __call__(self) -> Field:
        second = int(self._clock())
        if second != self._second:
            self._second = second
            self._field = (b"date", formatdate(second, usegmt=True).encode())
        return self._field
