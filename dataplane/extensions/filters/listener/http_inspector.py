"""Looks whether a connection begins with HTTP, and which.  Envoy: envoy.filters.listener.http_inspector.

Here: the filter and its statistics.  Not here: reading the first line (semantics.http_preface).
"""

from __future__ import annotations

from typing import Final

from envoy.extensions.filters.listener.http_inspector.v3.http_inspector_pb2 import HttpInspector as HttpInspectorConfig

from dataplane.api.listener_filter import Inspected, Inspection
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.observe.stats import StatsStore
from dataplane.semantics.http_preface import Preface, look_at_preface

supports(HttpInspectorConfig)

_RAW: Final = ("", "raw_buffer")


class _Stats:
    """`http_inspector.`"""

    def __init__(self, store: StatsStore) -> None:
        scope = store.scope("http_inspector.")
        self.read_error: Final = scope.counter("read_error")
        self.not_found: Final = scope.counter("http_not_found")
        self.found: Final = {
            Preface.HTTP_10: scope.counter("http10_found"),
            Preface.HTTP_11: scope.counter("http11_found"),
            Preface.HTTP_2: scope.counter("http2_found"),
        }


class HttpInspector:
    """Implements api.listener_filter.ListenerFilter."""

    def __init__(self) -> None:
        self._stats: _Stats | None = None
        self._store: StatsStore | None = None

    def inspect(self, inspected: Inspected) -> Inspection:
        if inspected.transport_protocol not in _RAW:
            return Inspection.DONE  # TLS: what is in it, nobody sees yet
        found = look_at_preface(inspected.data)
        if found is Preface.INCOMPLETE:
            return Inspection.MORE
        stats = self._stats_of(inspected.stats)
        if found is Preface.TOO_LONG:
            stats.read_error.inc()
            return Inspection.CLOSE
        if found is Preface.NOT_HTTP:
            stats.not_found.inc()
            return Inspection.DONE
        stats.found[found].inc()
        inspected.application_protocols = (found.value,)
        return Inspection.DONE

    def _stats_of(self, store: StatsStore) -> _Stats:
        if self._stats is None or self._store is not store:
            self._stats, self._store = _Stats(store), store
        return self._stats


@extension("envoy.filters.listener", HttpInspectorConfig.DESCRIPTOR.full_name)
def compile_config(config: HttpInspectorConfig, at: FieldPath, context: CompileContext) -> HttpInspector:
    return HttpInspector()
