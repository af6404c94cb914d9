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

TlvValue = Callable[["StreamInfo"], bytes]


@dataclass(frozen=True, slots=True)
class IntroducedSocket:
    """socket: what follows the header, None for plain bytes.

    version: 1 or 2.  added: TLVs of our own; passed_types: of the client's own header, those that are passed on, None for all of them.
    """

    version: int
    socket: object | None = None
    added: tuple[tuple[int, bytes | TlvValue], ...] = ()
    passed_types: frozenset[int] | None = frozenset()

    def header(self, info: StreamInfo) -> bytes:
        """What goes ahead; b"" where the stream does not say on whose behalf it comes."""
        connection = info.of_connection
        if not (info.tells_origin or connection.introduced):
            return b""
        tlvs = () if self.version == 1 else self._tlvs(info)
        return proxy_header(self.version, connection.downstream_remote_address, connection.downstream_local_address, tlvs)

    def _tlvs(self, info: StreamInfo) -> tuple[Tlv, ...]:
        """Ours first; what the client said of the same type does not count."""
        ours = tuple((kind, value if isinstance(value, bytes) else value(info)) for kind, value in self.added)
        taken = {kind for kind, _ in ours}
        passed = self.passed_types
        return ours + tuple(
            (kind, value)
            for kind, value in info.of_connection.proxy_protocol_tlvs
            if kind not in taken and (passed is None or kind in passed)
        )
