"""The command operators that print metadata: what filters left for the request, what a cluster or a listener was configured with.

Looked up when a line is written, in the generation of the configuration that the request saw.
Not here: the other operators (operators).  Refused, since no fact says which they were: metadata of routes, virtual hosts, hosts and chains.
Envoy: configuration/advanced/substitution_formatter, `%METADATA(TYPE:NAMESPACE:KEY)%`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.observe.filter_state import of_filter_state

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

Reader = Callable[["StreamInfo"], object]
"""Text, a number, or JSON that is still to be printed; None where there is nothing."""

_Metadata = Mapping[str, object]


def _dynamic(info: StreamInfo) -> _Metadata | None:
    return info.dynamic_metadata


def _cluster(info: StreamInfo) -> _Metadata | None:
    snapshot = info.generation()
    found = None if snapshot is None else snapshot.clusters.get(info.upstream_cluster)
    return None if found is None else found.metadata


def _listener(info: StreamInfo) -> _Metadata | None:
    snapshot = info.generation()
    found = None if snapshot is None else snapshot.listeners.get(info.listener_name)
    return None if found is None else found.metadata


_KINDS: Final = {"DYNAMIC": _dynamic, "CLUSTER": _cluster, "LISTENER": _listener}
_REFUSED: Final = frozenset({"ROUTE", "UPSTREAM_HOST", "VIRTUAL_HOST", "LISTENER_FILTER_CHAIN"})


def _reader(metadata: Callable[[StreamInfo], _Metadata | None], path: str) -> Reader:
    namespace, *keys = path.split(":")

    def read(info: StreamInfo) -> object:
        value: object = (metadata(info) or {}).get(namespace)
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    return read


def _of_dynamic(argument: str, at: FieldPath) -> Reader:
    return _required("DYNAMIC_METADATA", _dynamic, argument, at)


def _of_cluster(argument: str, at: FieldPath) -> Reader:
    return _required("CLUSTER_METADATA", _cluster, argument, at)


def _required(name: str, metadata: Callable[[StreamInfo], _Metadata | None], argument: str, at: FieldPath) -> Reader:
    if not argument:
        raise ConfigError(at, f"{name} requires parameters")
    return _reader(metadata, argument)


def _of_any(argument: str, at: FieldPath) -> Reader:
    kind, _, path = argument.partition(":")
    if kind in _REFUSED:
        raise ConfigError(at, f"METADATA({kind}) is not supported by this version")
    if kind not in _KINDS:
        raise ConfigError(at, f"{kind} is not supported type of metadata")
    return _reader(_KINDS[kind], path)


def as_text(value: object) -> str | int | None:
    """As a line of text has it.  A string is not yet a wire string."""
    if value is None or isinstance(value, str) or type(value) is int:
        return value
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


READERS: Final = {
    "DYNAMIC_METADATA": _of_dynamic,
    "CLUSTER_METADATA": _of_cluster,
    "METADATA": _of_any,
    "FILTER_STATE": of_filter_state,
}
"""By name: from the argument to what is printed."""
