"""What filters keep of a stream or a connection for others to see: objects by name, and the operator that prints them.

A stream sees what its connection keeps, too.  An object that is no `Shown` is between the filters that know it.
Envoy: StreamInfo::FilterState, `%FILTER_STATE(KEY:F:FIELD?)%`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dataplane.base.errors import ConfigError, FieldPath

if TYPE_CHECKING:
    from dataplane.observe.stream_info import StreamInfo

Raw = Callable[["StreamInfo"], object]


@dataclass(frozen=True, slots=True)
class Shown:
    """An object that logs may print.  typed: as JSON.  plain: as text, None where it has none.  fields: by name."""

    typed: object
    plain: str | None = None
    fields: Mapping[str, str] | None = None


def keep(info: StreamInfo, name: str, value: object) -> None:
    """What was kept under that name before is replaced."""
    info.filter_state = {**(info.filter_state or {}), name: value}


def find(info: StreamInfo, name: str) -> Shown | None:
    for state in (info.filter_state, info.of_connection.filter_state):
        if state is not None and isinstance(found := state.get(name), Shown):
            return found
    return None


def of_filter_state(argument: str, at: FieldPath) -> Raw:
    """The operator's value: text, or JSON that is still to be printed."""
    name, _, rest = argument.partition(":")
    kind, has_field, field = rest.partition(":")
    if not name:
        raise ConfigError(at, "Invalid filter state configuration, key cannot be empty.")
    if has_field and kind != "FIELD":
        raise ConfigError(at, "Invalid filter state serialize type, FIELD should be used with the field name.")
    if kind == "FIELD" and not field:
        raise ConfigError(at, "Invalid filter state serialize type, FIELD should be used with the field name.")
    if kind == "FIELD":
        return lambda info: _field(find(info, name), field)
    if kind not in _SERIALIZED:
        raise ConfigError(at, "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.")
    serialized = _SERIALIZED[kind]
    return lambda info: None if (found := find(info, name)) is None else serialized(found)


_SERIALIZED: Final[Mapping[str, Callable[[Shown], object]]] = {
    "": lambda found: found.typed,
    "TYPED": lambda found: found.typed,
    "PLAIN": lambda found: found.plain,
}


def _field(found: Shown | None, field: str) -> str | None:
    return None if found is None or found.fields is None else found.fields.get(field)


def text_map(values: Mapping[str, str]) -> Shown:
    """Texts by name."""
    return Shown(dict(values), json.dumps(values, separators=(",", ":"), ensure_ascii=False), values)
