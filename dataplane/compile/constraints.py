"""The shape rules that the descriptors carry (`validate.rules`), Envoy's rules for every Duration, and deprecated fields.

Each message type is planned once: what must not be missing, and what to do with each field when it is set.  A message type without any
rule, down to the last of its fields, costs nothing.  The walk goes into nested messages and into every Any whose type is known.
Not here: the single rules (constraint_rules.py); what only Envoy's code checks (the compile modules); support (support_walk.py).
Envoy: MessageUtil::validate, checkForUnexpectedFields.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from validate import validate_pb2

from dataplane.base.errors import ConfigError, FieldPath, Problems
from dataplane.compile.constraint_rules import (
    Check,
    UnknownRule,
    bool_checks,
    bytes_checks,
    duration_checks,
    enum_checks,
    number_checks,
    options,
    string_checks,
)
from dataplane.compile.deprecations import deprecated_default, deprecation
from dataplane.compile.findings import Findings, Visit, each_item, each_key, each_value, in_turn, reporting, when_missing
from dataplane.compile.message_types import full_name_of, is_v2, message_class, unpack

# Envoy keeps durations as nanoseconds in 64 bits.
_MAX_SECONDS = (2**63 - 1) // 10**9 - 1

_WRAPPED = frozenset({"Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes"})
_WRAPPERS = frozenset(f"google.protobuf.{name}Value" for name in _WRAPPED)


# Envoy 1.40 has dropped these rules, the descriptors that we have still carry them.
_DROPPED_RULES = frozenset(
    {
        "envoy.type.v3.TokenBucket.max_tokens",
        "envoy.extensions.filters.http.ratelimit.v3.RateLimit.rate_limit_service",
        "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.trust_domains",
    }
)


@dataclass(frozen=True, slots=True)
class Plan:
    """required: what to report of a message as it is.  on_set: by field number."""

    required: tuple[Visit, ...]
    on_set: Mapping[int, tuple[str, Visit]]


def check(message: Message, at: FieldPath, problems: Problems, warnings: list[ConfigError] | None = None) -> None:
    """Report every rule that *message* breaks, and add deprecated fields to *warnings*."""
    _visit(message, at, Findings(problems, [] if warnings is None else warnings))


def _visit(message: Any, at: FieldPath, findings: Findings) -> None:
    plan = _plan(message.DESCRIPTOR)
    for visit in plan.required:
        visit(message, at, findings)
    on_set = plan.on_set
    if on_set:
        for each, value in message.ListFields():
            planned = on_set.get(each.number)
            if planned is not None:
                planned[1](value, at / planned[0], findings)


@cache
def _plan(descriptor: Descriptor) -> Plan:
    required: list[Visit] = []
    on_set: dict[int, tuple[str, Visit]] = {}
    if descriptor.GetOptions().Extensions[validate_pb2.disabled]:
        return Plan((), MappingProxyType({}))
    for oneof in descriptor.oneofs:
        if oneof.GetOptions().Extensions[validate_pb2.required]:
            required.append(_one_of_required(oneof.name, [each.name for each in oneof.fields]))
    for each in descriptor.fields:
        rules = _rules(each)
        required += _when_unset(each, rules)
        visits = _when_set(each, rules)
        if visits:
            on_set[each.number] = each.name, in_turn(visits)
    return Plan(tuple(required), MappingProxyType(on_set))


def _rules(each: FieldDescriptor) -> Any:
    if each.full_name in _DROPPED_RULES:
        return validate_pb2.FieldRules()
    return each.GetOptions().Extensions[validate_pb2.rules]


def _one_of_required(name: str, fields: list[str]) -> Visit:
    reason = f"is required: one of {', '.join(fields)}"

    def visit(message: Any, at: FieldPath, findings: Findings) -> None:
        if message.WhichOneof(name) is None:
            findings.problems.add(at / name, reason)

    return visit


def _when_unset(each: FieldDescriptor, rules: Any) -> list[Visit]:
    """What a missing field breaks.  A field without presence has its default value, and that may break the field's rules."""
    name = each.name
    if each.is_repeated:
        least = rules.map.min_pairs or rules.repeated.min_items
        return [when_missing(lambda message: len(getattr(message, name)) > 0, name, _too_few(least))] if least else []
    if each.message_type is not None:
        if each.containing_oneof is not None:
            return []  # `required` speaks of the message inside once this field of the oneof is chosen
        needed = rules.message.required or rules.any.required or rules.duration.required or rules.timestamp.required
        return [when_missing(lambda message: message.HasField(name), name, "value is required")] if needed else []
    if each.has_presence:
        return []
    reasons = [reason for rule in _scalar_checks(each, rules) if (reason := rule(each.default_value)) is not None]
    visits = [when_missing(lambda message: getattr(message, name) != each.default_value, name, reason) for reason in reasons]
    return visits + deprecated_default(each)


def _when_set(each: FieldDescriptor, rules: Any) -> list[Visit]:
    visits = deprecation(each)
    entry = each.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return visits + _map_visits(each, entry, rules)
    return visits + (_repeated_visits(each, rules) if each.is_repeated else _value_visits(each, rules))


def _value_visits(each: FieldDescriptor, rules: Any) -> list[Visit]:
    """For one value: of a singular field, of a list's items, of a map's keys or values."""
    if each.message_type is None:
        return [reporting(check) for check in _scalar_checks(each, rules)]
    name = each.message_type.full_name
    if name in _WRAPPERS:
        inner = each.message_type.fields_by_name["value"]
        return [reporting(_unwrapped(check)) for check in _scalar_checks(inner, rules)]
    if name == "google.protobuf.Duration":
        return [_check_duration, *(reporting(check) for check in duration_checks(rules.duration))]
    if name == "google.protobuf.Timestamp":
        return [reporting(check) for check in duration_checks(rules.timestamp)]
    if name == "google.protobuf.Any":
        return [_any_visit(rules)]
    return [] if rules.message.skip or not _has_rules(each.message_type) else [_visit]


def _repeated_visits(each: FieldDescriptor, rules: Any) -> list[Visit]:
    stated = options(rules.repeated)
    items = stated.pop("items", validate_pb2.FieldRules())
    known: dict[str, Callable[[Any], Check]] = {"min_items": _at_least, "max_items": _at_most, "unique": lambda wanted: _unique}
    stated.pop("ignore_empty", None)
    if stated.keys() - known.keys():
        raise UnknownRule(f"repeated: {sorted(stated)}")
    visits = [reporting(known[name](rule)) for name, rule in stated.items()]
    return visits + [each_item(visit) for visit in _value_visits(each, items)]


def _map_visits(each: FieldDescriptor, entry: Descriptor, rules: Any) -> list[Visit]:
    stated = options(rules.map)
    keys = stated.pop("keys", validate_pb2.FieldRules())
    values = stated.pop("values", validate_pb2.FieldRules())
    known: dict[str, Callable[[Any], Check]] = {"min_pairs": _at_least, "max_pairs": _at_most}
    for name in ("ignore_empty", "no_sparse"):  # the latter speaks of null values, which maps here cannot hold
        stated.pop(name, None)
    if stated.keys() - known.keys():
        raise UnknownRule(f"map: {sorted(stated)}")
    visits = [reporting(known[name](rule)) for name, rule in stated.items()]
    visits += [each_key(visit) for visit in _value_visits(entry.fields_by_name["key"], keys)]
    return visits + [each_value(visit) for visit in _value_visits(entry.fields_by_name["value"], values)]


def _at_least(least: int) -> Check:
    reason = _too_few(least)
    return lambda value: None if len(value) >= least else reason


def _at_most(most: int) -> Check:
    return lambda value: None if len(value) <= most else f"value must contain no more than {most} item(s)"


def _too_few(least: int) -> str:
    return f"value must contain at least {least} item(s)"


def _unique(value: Any) -> str | None:
    return None if len(set(value)) == len(value) else "repeated value must contain unique items"


def _unwrapped(check: Check) -> Check:
    return lambda wrapper: check(wrapper.value)


_NUMBERS: Mapping[int, str] = MappingProxyType(
    {
        FieldDescriptor.TYPE_DOUBLE: "double",
        FieldDescriptor.TYPE_FLOAT: "float",
        FieldDescriptor.TYPE_INT32: "int32",
        FieldDescriptor.TYPE_INT64: "int64",
        FieldDescriptor.TYPE_UINT32: "uint32",
        FieldDescriptor.TYPE_UINT64: "uint64",
        FieldDescriptor.TYPE_SINT32: "sint32",
        FieldDescriptor.TYPE_SINT64: "sint64",
        FieldDescriptor.TYPE_FIXED32: "fixed32",
        FieldDescriptor.TYPE_FIXED64: "fixed64",
        FieldDescriptor.TYPE_SFIXED32: "sfixed32",
        FieldDescriptor.TYPE_SFIXED64: "sfixed64",
    }
)


def _scalar_checks(each: FieldDescriptor, rules: Any) -> list[Check]:
    if each.type in _NUMBERS:
        return number_checks(getattr(rules, _NUMBERS[each.type]))
    if each.type == FieldDescriptor.TYPE_STRING:
        return string_checks(rules.string)
    if each.type == FieldDescriptor.TYPE_BYTES:
        return bytes_checks(rules.bytes)
    if each.type == FieldDescriptor.TYPE_BOOL:
        return bool_checks(rules.bool)
    assert each.enum_type is not None
    return enum_checks(rules.enum, each.enum_type)


def _check_duration(value: Any, at: FieldPath, findings: Findings) -> None:
    """Envoy refuses these in every field."""
    if value.seconds < 0 or value.nanos < 0:
        findings.problems.add(at, f"invalid duration: expected a positive one, got {value.seconds + value.nanos / 1e9:g}s")
    elif value.seconds > _MAX_SECONDS or value.nanos > 999_999_999:
        findings.problems.add(at, "invalid duration: out of range")


def _any_visit(rules: Any) -> Visit:
    allowed, forbidden = frozenset(getattr(rules.any, "in")), frozenset(rules.any.not_in)

    def visit(value: Any, at: FieldPath, findings: Findings) -> None:
        name = full_name_of(value.type_url)
        if (allowed and value.type_url not in allowed) or value.type_url in forbidden:
            findings.problems.add(at, f"type {name} is not allowed here")
        elif name and not is_v2(name) and message_class(name) is not None:
            with findings.problems.collect():
                _visit(unpack(value, at), at, findings)

    return visit


@cache
def _has_rules(descriptor: Descriptor) -> bool:
    """Whether the plan of the type, or of any type inside of it, is not empty."""
    seen, waiting = {descriptor.full_name}, [descriptor]
    while waiting:
        current = waiting.pop()
        for each in current.fields:
            inner = each.message_type
            if _has_own_rules(each):
                return True
            if inner is not None and inner.full_name not in seen:
                seen.add(inner.full_name)
                waiting.append(inner)
        if any(oneof.GetOptions().Extensions[validate_pb2.required] for oneof in current.oneofs):
            return True
    return False


def _has_own_rules(each: FieldDescriptor) -> bool:
    stated = each.GetOptions()
    special = each.message_type is not None and each.message_type.full_name in ("google.protobuf.Duration", "google.protobuf.Any")
    return special or stated.HasExtension(validate_pb2.rules) or bool(deprecation(each)) or bool(deprecated_default(each))
