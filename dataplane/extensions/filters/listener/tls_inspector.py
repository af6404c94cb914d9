"""Looks whether a connection begins with TLS, and for which server name and protocols.  Envoy: envoy.filters.listener.tls_inspector.

Here: the filter and its statistics.  Not here: reading the ClientHello (semantics.client_hello), fingerprints (semantics.tls_fingerprints).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from envoy.extensions.filters.listener.tls_inspector.v3.tls_inspector_pb2 import TlsInspector as TlsInspectorConfig

from dataplane.api.listener_filter import Inspected, Inspection
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports
from dataplane.compile.units import wrapped
from dataplane.observe.stats import StatsStore
from dataplane.semantics.client_hello import ClientHello, NoHello, parse_client_hello
from dataplane.semantics.tls_fingerprints import ja3, ja4
from dataplane.semantics.tls_records import NotTls

supports(
    TlsInspectorConfig,
    "close_connection_on_client_hello_parsing_errors",
    "enable_ja3_fingerprinting",
    "enable_ja4_fingerprinting",
    "max_client_hello_size",
)
ignores(TlsInspectorConfig, "initial_read_buffer_size", because="bytes are read as they come")

_MOST: Final = 16384  # bytes of a ClientHello unless configured, as Envoy
_VERSIONS: Final = range(0x301, 0x305)
_REJECTED: Final = NotTls("CONNECTION_REJECTED", 133)
_LIBRARY: Final = 16 << 24  # ERR_LIB_SSL where BoringSSL packs it


@dataclass(frozen=True, slots=True)
class InspectorSettings:
    """most: bytes that a ClientHello may have."""

    most: int = _MOST
    close_on_errors: bool = False
    ja3: bool = False
    ja4: bool = False


_UNLESS_CONFIGURED: Final = InspectorSettings()


class _Stats:
    """`tls_inspector.`"""

    def __init__(self, store: StatsStore) -> None:
        scope = store.scope("tls_inspector.")
        self.tls_found: Final = scope.counter("tls_found")
        self.tls_not_found: Final = scope.counter("tls_not_found")
        self.sni_found: Final = scope.counter("sni_found")
        self.sni_not_found: Final = scope.counter("sni_not_found")
        self.alpn_found: Final = scope.counter("alpn_found")
        self.alpn_not_found: Final = scope.counter("alpn_not_found")
        self.client_hello_too_large: Final = scope.counter("client_hello_too_large")
        self.bytes_processed: Final = scope.histogram("bytes_processed")


class TlsInspector:
    """Implements api.listener_filter.ListenerFilter."""

    def __init__(self, settings: InspectorSettings = _UNLESS_CONFIGURED) -> None:
        self._settings = settings
        self._stats: _Stats | None = None
        self._store: StatsStore | None = None

    def inspect(self, inspected: Inspected) -> Inspection:
        stats = self._stats_of(inspected.stats)
        found = parse_client_hello(inspected.data, self._settings.most)
        if found is NoHello.INCOMPLETE:
            return Inspection.DONE if inspected.ended and not inspected.data else Inspection.MORE
        stats.bytes_processed.record(len(inspected.data))
        if isinstance(found, ClientHello):
            return self._note(found, inspected, stats)
        if isinstance(found, NotTls):
            stats.tls_not_found.inc()
            inspected.transport_failure_reason = _reason(found)
            return Inspection.CLOSE if self._settings.close_on_errors else Inspection.DONE
        if found is NoHello.TOO_LARGE:
            stats.client_hello_too_large.inc()
        return Inspection.CLOSE

    def _note(self, hello: ClientHello, inspected: Inspected, stats: _Stats) -> Inspection:
        """A version that there is not ends the connection, whatever is configured, as in Envoy."""
        settings = self._settings
        (stats.sni_found if hello.server_name else stats.sni_not_found).inc()
        inspected.server_name = hello.server_name
        inspected.ja3 = ja3(hello) if settings.ja3 else ""
        inspected.ja4 = ja4(hello) if settings.ja4 else ""
        if hello.version not in _VERSIONS:
            stats.tls_not_found.inc()
            inspected.transport_failure_reason = _reason(_REJECTED)
            return Inspection.CLOSE
        stats.tls_found.inc()
        (stats.alpn_found if hello.protocols else stats.alpn_not_found).inc()
        inspected.transport_protocol = "tls"
        inspected.application_protocols = hello.protocols
        return Inspection.DONE

    def _stats_of(self, store: StatsStore) -> _Stats:
        if self._stats is None or self._store is not store:
            self._stats, self._store = _Stats(store), store
        return self._stats


def _reason(found: NotTls) -> str:
    """What BoringSSL says of the bytes; Envoy logs it although the connection is none of its TLS."""
    return f"TLS_error|error:{_LIBRARY + found.number:x}:SSL routines:OPENSSL_internal:{found.reason}:TLS_error_end"


@extension("envoy.filters.listener", TlsInspectorConfig.DESCRIPTOR.full_name)
def compile_config(config: TlsInspectorConfig, at: FieldPath, context: CompileContext) -> TlsInspector:
    return TlsInspector(
        InspectorSettings(
            most=wrapped(config, "max_client_hello_size", _MOST),
            close_on_errors=config.close_connection_on_client_hello_parsing_errors,
            ja3=wrapped(config, "enable_ja3_fingerprinting", False),
            ja4=wrapped(config, "enable_ja4_fingerprinting", False),
        )
    )
