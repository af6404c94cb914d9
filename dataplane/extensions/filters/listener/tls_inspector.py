"""Looks whether a connection begins with TLS, and for which server name and protocols.  Envoy: envoy.filters.listener.tls_inspector.

Here: the filter and its statistics.  Not here: reading the ClientHello (semantics.client_hello).
"""

from __future__ import annotations

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

supports(TlsInspectorConfig, "close_connection_on_client_hello_parsing_errors", "max_client_hello_size")
ignores(TlsInspectorConfig, "initial_read_buffer_size", because="bytes are read as they come")

_MOST: Final = 16384  # bytes of a ClientHello unless configured, as Envoy
# What BoringSSL says of the bytes; Envoy logs it although the connection is none of its TLS.
_HTTP_REQUEST: Final = "TLS_error|error:1000009c:SSL routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"
_PROXY_REQUEST: Final = "TLS_error|error:1000009b:SSL routines:OPENSSL_internal:HTTPS_PROXY_REQUEST:TLS_error_end"
_WRONG_VERSION: Final = "TLS_error|error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER:TLS_error_end"
_PARSE_FAILED: Final = "TLS_error|error:10000083:SSL routines:OPENSSL_internal:CLIENTHELLO_PARSE_FAILED:TLS_error_end"
_REQUESTS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ")


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

    def __init__(self, most: int = _MOST, close_on_errors: bool = False) -> None:
        self._most = most
        self._close_on_errors = close_on_errors
        self._stats: _Stats | None = None
        self._store: StatsStore | None = None

    def inspect(self, inspected: Inspected) -> Inspection:
        stats = self._stats_of(inspected.stats)
        found = parse_client_hello(inspected.data, self._most)
        if found is NoHello.INCOMPLETE:
            return Inspection.DONE if inspected.ended and not inspected.data else Inspection.MORE
        stats.bytes_processed.record(len(inspected.data))
        if isinstance(found, ClientHello):
            self._note(found, inspected, stats)
            return Inspection.DONE
        if found is NoHello.TOO_LARGE:
            stats.client_hello_too_large.inc()
            return Inspection.CLOSE
        stats.tls_not_found.inc()
        inspected.transport_failure_reason = _reason(found, inspected.data)
        return Inspection.CLOSE if self._close_on_errors else Inspection.DONE

    def _note(self, hello: ClientHello, inspected: Inspected, stats: _Stats) -> None:
        stats.tls_found.inc()
        (stats.sni_found if hello.server_name else stats.sni_not_found).inc()
        (stats.alpn_found if hello.protocols else stats.alpn_not_found).inc()
        inspected.transport_protocol = "tls"
        inspected.server_name = hello.server_name
        inspected.application_protocols = hello.protocols

    def _stats_of(self, store: StatsStore) -> _Stats:
        if self._stats is None or self._store is not store:
            self._stats, self._store = _Stats(store), store
        return self._stats


def _reason(found: NoHello, data: bytes) -> str:
    if found is NoHello.BROKEN:
        return _PARSE_FAILED
    if data.startswith(b"CONNE"):
        return _PROXY_REQUEST
    return _HTTP_REQUEST if data.startswith(_REQUESTS) else _WRONG_VERSION


@extension("envoy.filters.listener", TlsInspectorConfig.DESCRIPTOR.full_name)
def compile_config(config: TlsInspectorConfig, at: FieldPath, context: CompileContext) -> TlsInspector:
    return TlsInspector(wrapped(config, "max_client_hello_size", _MOST), config.close_connection_on_client_hello_parsing_errors)
