"""Leaves configured values in a request's dynamic metadata, for other filters and the log.  Envoy: envoy.filters.http.set_metadata."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envoy.extensions.filters.http.set_metadata.v3.set_metadata_pb2 import Config, Metadata

from dataplane.api.http_filter import CONTINUE, FilterStatus, StreamCallbacks
from dataplane.api.registry import extension
from dataplane.base.errors import FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import supports
from dataplane.compile.units import struct_dict

if TYPE_CHECKING:
    from dataplane.api.network_filter import ServerContext
    from dataplane.observe.stats import Counter, Scope
    from dataplane.semantics.header_map import RequestHeaders

supports(Config, "metadata_namespace", "value", "metadata")
supports(Metadata, "metadata_namespace", "allow_overwrite", "value")


@dataclass(frozen=True, slots=True)
class Entry:
    """allow_overwrite: whether the values are merged into a namespace that is there already; otherwise they are dropped."""

    namespace: str
    values: Mapping[str, object]
    allow_overwrite: bool


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """The compiled configuration."""

    entries: tuple[Entry, ...]

    def bind(self, server: ServerContext, stats: Scope, name: str) -> SetMetadataFilter:
        return SetMetadataFilter(self.entries, stats.counter("set_metadata.overwrite_denied"))


@dataclass(frozen=True, slots=True)
class SetMetadataFilter:
    entries: tuple[Entry, ...]
    overwrite_denied: Counter

    def decode_headers(self, headers: RequestHeaders, end_stream: bool, stream: StreamCallbacks) -> FilterStatus:
        info = stream.info
        for entry in self.entries:
            before = (info.dynamic_metadata or {}).get(entry.namespace)
            if before is None:
                info.add_metadata(entry.namespace, entry.values)
            elif entry.allow_overwrite:
                info.add_metadata(entry.namespace, merged(before, entry.values) if isinstance(before, Mapping) else entry.values)
            else:
                self.overwrite_denied.inc()
        return CONTINUE


def merged(before: Mapping[str, object], update: Mapping[str, object]) -> dict[str, object]:
    """Structs merge key by key and lists are joined; anything else, and what is of another kind, is replaced."""
    result = dict(before)
    for key, value in update.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = merged(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            result[key] = [*old, *value]
        else:
            result[key] = value
    return result


@extension("envoy.filters.http", Config.DESCRIPTOR.full_name)
def compile_config(message: Config, at: FieldPath, context: CompileContext) -> SetMetadata:
    """The deprecated fields are the first entry, which may overwrite."""
    entries = [Entry(each.metadata_namespace, struct_dict(each.value), each.allow_overwrite) for each in message.metadata]
    if message.HasField("value"):
        entries.insert(0, Entry(message.metadata_namespace, struct_dict(message.value), allow_overwrite=True))
    return SetMetadata(tuple(entries))
