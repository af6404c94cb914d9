"""What a compression library gives to the filter that uses it.  Envoy: envoy.compression.compressor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

COMPRESSOR_KIND: Final = "envoy.compression.compressor"


class Compressor(Protocol):
    """One body."""

    def compress(self, data: bytes) -> bytes:
        """Everything that *data* adds: nothing is kept back, for somebody may wait for it."""

    def finish(self, data: bytes) -> bytes:
        """The last piece, with the end."""


@dataclass(frozen=True, slots=True)
class CompressorLibrary:
    """encoding: what stands in `content-encoding`.  stat_name: what stands in the names of statistics."""

    encoding: bytes
    stat_name: str
    make: Callable[[], Compressor]
