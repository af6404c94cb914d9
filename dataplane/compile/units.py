"""Small protobuf messages in our units: durations in seconds, percentages as fractions, wrappers with their defaults, metadata as dicts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from envoy.config.core.v3.base_pb2 import Metadata, RuntimeFractionalPercent
from envoy.type.v3.percent_pb2 import FractionalPercent
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.context import CompileContext
from dataplane.compile.support import ignores, supports

supports(FractionalPercent, "numerator", "denominator")
supports(RuntimeFractionalPercent, "default_value", "runtime_key")
supports(Metadata, "filter_metadata")
ignores(
    Metadata,
    "typed_filter_metadata",
    because="of an endpoint, the PROXY header for it takes its TLVs; what else reads these fields is refused",
)

_DENOMINATORS: Final = {
    FractionalPercent.HUNDRED: 100,
    FractionalPercent.TEN_THOUSAND: 10_000,
    FractionalPercent.MILLION: 1_000_000,
}
_EXACT: Final = 1 << 53  # up to here a double holds every whole number
_ENDLESS: Final = 1 << 64  # nothing counts so far: Envoy's numbers end there
_MAX_SECONDS: Final = 9_223_372_036  # what fits into 64 bits of nanoseconds: Envoy's limit


def seconds(duration: Duration, at: FieldPath) -> float:
    """A duration that is not negative."""
    if duration.seconds < 0 or duration.nanos < 0:
        reason = f"Invalid duration: Expected positive duration: seconds {duration.seconds}, nanos {duration.nanos}"
        raise ConfigError(at, reason)
    if duration.nanos > 999_999_999 or duration.seconds > _MAX_SECONDS:
        raise ConfigError(at, f"Invalid duration: Duration out-of-range: seconds {duration.seconds}, nanos {duration.nanos}")
    return float(duration.seconds + duration.nanos / 1e9)


def seconds_or(message: Message, field: str, default: float, at: FieldPath) -> float:
    """The Duration in *field* of *message*, *default* where it is not set."""
    return seconds(getattr(message, field), at / field) if message.HasField(field) else default


def optional_seconds(message: Message, field: str, at: FieldPath) -> float | None:
    """The Duration in *field* of *message*, None where it is not set."""
    return seconds(getattr(message, field), at / field) if message.HasField(field) else None


def optional_milliseconds(message: Message, field: str, at: FieldPath) -> int | None:
    """The Duration in *field* of *message* in whole milliseconds, None where it is not set."""
    if not message.HasField(field):
        return None
    duration: Duration = getattr(message, field)
    seconds(duration, at / field)
    return int(duration.seconds * 1000 + duration.nanos // 1_000_000)


def wrapped(message: Message, field: str, default: Any) -> Any:
    """The value in the wrapper in *field* of *message*, *default* where it is not set."""
    return getattr(message, field).value if message.HasField(field) else default


def parts_of(percent: FractionalPercent, at: FieldPath) -> tuple[int, int]:
    """Numerator and denominator."""
    denominator = _DENOMINATORS.get(percent.denominator)
    if denominator is None:
        raise ConfigError(at / "denominator", f"undefined value {percent.denominator}")
    return percent.numerator, denominator


def fraction(percent: FractionalPercent, at: FieldPath) -> float:
    """0..1."""
    numerator, denominator = parts_of(percent, at)
    return min(numerator / denominator, 1.0)


def runtime_parts(percent: RuntimeFractionalPercent, at: FieldPath, context: CompileContext) -> tuple[int, int]:
    """Numerator and denominator: those of the runtime key where a layer sets it, else the default."""
    stated = _stated_parts(percent.runtime_key, context)
    return parts_of(percent.default_value, at / "default_value") if stated is None else stated


def runtime_parts_or(key: str, default: tuple[int, int], context: CompileContext) -> tuple[int, int]:
    """As `runtime_parts`."""
    return _stated_parts(key, context) or default


def _stated_parts(key: str, context: CompileContext) -> tuple[int, int] | None:
    """A whole number is a percentage."""
    override = context.runtime.get(key) if key else None
    if isinstance(override, Mapping):
        numerator, name = override.get("numerator", 0), override.get("denominator", "HUNDRED")
        if isinstance(numerator, int | float) and name in FractionalPercent.DenominatorType.keys():  # noqa: SIM118  # no mapping
            return int(numerator), _DENOMINATORS[FractionalPercent.DenominatorType.Value(str(name))]
    if isinstance(override, int | float) and not isinstance(override, bool):
        return int(override), 100
    return None


def runtime_count(key: str, runtime: Mapping[str, object]) -> int | None:
    """What *runtime* says for a limit: a number from 0, whose fraction counts for nothing; as a text, too.  None: nothing that is one."""
    stated = runtime.get(key)
    if isinstance(stated, bool) or not isinstance(stated, int | float | str):
        return None
    try:
        number = float(stated)
    except ValueError:
        return None
    return int(number) if 0 <= number < _ENDLESS else None


def metadata_dict(metadata: Metadata) -> Mapping[str, object]:
    """Namespace → fields."""
    return MappingProxyType({name: struct_dict(struct) for name, struct in sorted(metadata.filter_metadata.items())})


def struct_dict(struct: Struct) -> dict[str, object]:
    """A Struct as plain Python values."""
    return {key: _plain(value) for key, value in struct.fields.items()}


def _plain(value: Value) -> object:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return struct_dict(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        # JSON knows one kind of number, Envoy prints whole ones without a fraction.
        number: float = value.number_value
        return int(number) if number.is_integer() and abs(number) < _EXACT else number
    return None if kind in (None, "null_value") else getattr(value, kind)
