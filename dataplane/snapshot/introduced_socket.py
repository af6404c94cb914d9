"""Compiled `ProxyProtocolUpstreamTransport`: connections that say first on whose behalf they come.

Here: the configuration, and the header for one downstream connection.  Not here: sending it (upstream.introduction).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataplane.semantics.proxy_header import Tlv, proxy_header

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

AddedTlv = tuple[int, bytes | Callable[["StreamInfo"], bytes]]
"""Type, and the value or what reads it."""


@dataclass(frozen=True, slots=True)
class IntroducedSocket:
    """socket: what follows the header, None for plain bytes.

    version: 1 or 2.  added: TLVs of our own; passed_types: of the client's own header, those that are passed on, None for all of them.
    """

    version: int
    socket: object | None = None
    added: tuple[AddedTlv, ...] = ()
    passed_types: frozenset[int] | None = frozenset()

    def header(self, info: StreamInfo, of_host: tuple[AddedTlv, ...] = ()) -> bytes:
        """What goes ahead; b"" where the stream does not say on whose behalf it comes.  of_host: added for the host alone."""
        connection = info.of_connection
        if not (info.tells_origin or connection.introduced):
            return b""
        tlvs = () if self.version == 1 else self._tlvs(info, of_host)
        return proxy_header(self.version, connection.downstream_remote_address, connection.downstream_local_address, tlvs)

    def _tlvs(self, info: StreamInfo, of_host: tuple[AddedTlv, ...]) -> tuple[Tlv, ...]:
        """The host's first, then ours, then the client's; what was said of a type before counts."""
        told = {kind for kind, _ in of_host}
        added = of_host + tuple(each for each in self.added if each[0] not in told)
        ours = tuple((kind, value if isinstance(value, bytes) else value(info)) for kind, value in added)
        taken = {kind for kind, _ in ours}
        passed = self.passed_types
        return ours + tuple(
            (kind, value)
            for kind, value in info.of_connection.proxy_protocol_tlvs
            if kind not in taken and (passed is None or kind in passed)
        )
