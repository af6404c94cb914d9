"""Network filters in front of the terminal one, put together with it into the filter of one connection.

A connection whose chain has the terminal filter alone never comes here.
Envoy: Network::FilterManagerImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from dataplane.api.network_filter import (
        DownstreamConnection,
        NetworkFilter,
        NetworkFilterFactory,
        ReadFilter,
        ReadFilterFactory,
    )


def create_filter(factories: Sequence[object], connection: DownstreamConnection) -> NetworkFilter:
    """The filter of *connection*: the last of *factories* is the terminal one."""
    *front, last = factories
    readers: list[ReadFilter] = []
    for each in front:
        readers.append(cast("ReadFilterFactory", each).create(connection))
        if readers[-1].rejected:
            return Filtered(readers, _Nothing())
    terminal = cast("NetworkFilterFactory", last).create(connection)
    return Filtered(readers, terminal) if readers else terminal


class _Nothing:
    """Stands at the end of a chain that has turned its connection away.  Implements api.network_filter.NetworkFilter."""

    __slots__ = ()

    def on_data(self, data: bytes) -> None: ...

    def on_end(self) -> None: ...

    def on_close(self, error: str) -> None: ...

    def on_write_blocked(self) -> None: ...

    def on_write_ready(self) -> None: ...

    def on_drain(self) -> None: ...

    def on_times_changed(self) -> None: ...

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        return ()

    def close_if_idle(self) -> None: ...


class Filtered:
    """Implements api.network_filter.NetworkFilter."""

    __slots__ = ("_readers", "_terminal")

    def __init__(self, readers: Sequence[ReadFilter], terminal: NetworkFilter) -> None:
        self._readers = tuple(readers)
        self._terminal = terminal

    def on_data(self, data: bytes) -> None:
        for reader in self._readers:
            if not reader.on_data(data):
                return
        self._terminal.on_data(data)

    def on_end(self) -> None:
        """Only where the connection may be closed by halves do the filters see its end, as bytes that are none."""
        if getattr(self._terminal, "half_close", False):
            for reader in self._readers:
                if not reader.on_data(b""):
                    return
        self._terminal.on_end()

    def on_close(self, error: str) -> None:
        for reader in self._readers:
            reader.on_close()
        self._terminal.on_close(error)

    def on_write_blocked(self) -> None:
        self._terminal.on_write_blocked()

    def on_write_ready(self) -> None:
        self._terminal.on_write_ready()

    def on_drain(self) -> None:
        self._terminal.on_drain()

    def on_times_changed(self) -> None:
        self._terminal.on_times_changed()

    def holding(self) -> Iterable[tuple[int, Callable[[], None]]]:
        return self._terminal.holding()

    def close_if_idle(self) -> None:
        self._terminal.close_if_idle()
