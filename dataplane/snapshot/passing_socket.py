"""Compiled `InternalUpstreamTransport` that passes metadata on: what a listener of the same process learns of the host it was dialled for.

Here: the configuration, and the metadata for one host.  Not here: handing it over (upstream.internal_connection).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class PassingSocket:
    """socket: what is wrapped, None for plain bytes.  sources: whose metadata, and of which namespace."""

    socket: object | None
    sources: tuple[tuple[Literal["host", "cluster"], str], ...]

    def metadata(self, host: Mapping[str, object], cluster: Mapping[str, object]) -> tuple[dict[str, object], int]:
        """By namespace; of two sources with one namespace the last counts.  And how many sources have nothing."""
        found: dict[str, object] = {}
        missing = 0
        for kind, namespace in self.sources:
            metadata = host if kind == "host" else cluster
            if namespace in metadata:
                found[namespace] = metadata[namespace]
            else:
                missing += 1
        return found, missing
