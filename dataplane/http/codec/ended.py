"""What stands in the place of a codec once its connection is gone.

A connection and its codec hold each other.  Whoever ends would otherwise stay in memory, with all that was read and not used, until the
collector looks for cycles, which it does rarely (server.engine.calm_collector).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataplane.http.stream import Stream


class EndedCodec:
    """Implements http.codec.interface.Codec: nothing is open, nothing comes, nothing goes."""

    __slots__ = ()

    protocol = ""
    is_idle = True

    def on_data(self, data: bytes) -> None:
        pass

    def open_streams(self) -> Iterable[Stream]:
        return ()

    def flush(self) -> None:
        pass

    def on_close(self) -> None:
        pass


ENDED: Final = EndedCodec()
