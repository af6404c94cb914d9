"""One rule of `validate.rules` (protoc-gen-validate) → a function that says how a value breaks it.

Every kind of rule that a descriptor can carry is known here or refused when the rule is read, never skipped.  The words are those of
Envoy's messages.  Spec: validate/validate.proto.
"""

from __future__ import annotations

import ipaddress
import operator
import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import re2
from google.protobuf.descriptor import EnumDescriptor

Check = Callable[[Any], str | None]
"""What is wrong with a value, or None."""

# https://github.com/bufbuild/protoc-gen-validate/blob/main/README.md#well-known-formats: strict follows RFC 9110, the other only
# forbids what would break a header line.
_HEADER_NAME = r"^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$"
_HEADER_VALUE = r"^[^\x00-\x08\x0A-\x1F\x7F]*$"
_HEADER_LOOSE = r"^[^\x00\n\r]*$"

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
_COMPARE = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}
_WORDS = {"lt": "less than", "lte": "less than or equal to", "gt": "greater than", "gte": "greater than or equal to"}


class UnknownRule(ValueError):
    """A descriptor carries a rule that this module does not know: it must learn it."""


def options(rules: Any) -> dict[str, Any]:
    """The rules that are stated, by name."""
    return {field.name: value for field, value in rules.ListFields()}


def number_checks(rules: Any) -> list[Check]:
    """int32 ... uint64, float, double and their wrappers."""
    return _ordered_checks(
        options(rules), lambda value: value, lambda value: f"{value:g}" if isinstance(value, float) else str(value)
    )


def duration_checks(rules: Any) -> list[Check]:
    """google.protobuf.Duration and Timestamp: compared by seconds and nanoseconds.  `required` is not about a value (constraints.py)."""
    stated = options(rules)
    stated.pop("required", None)
    return _ordered_checks(
        stated, lambda value: (value.seconds, value.nanos), lambda value: f"{value.seconds + value.nanos / 1e9:g}s"
    )


def bool_checks(rules: Any) -> list[Check]:
    return _ordered_checks(options(rules), lambda value: value, lambda value: str(value).lower())


def enum_checks(rules: Any, descriptor: EnumDescriptor) -> list[Check]:
    stated = options(rules)
    checks: list[Check] = []
    if stated.pop("defined_only", False):
        known = frozenset(descriptor.values_by_number)
        checks.append(lambda value: None if value in known else "value must be one of the defined enum values")

    def name(number: int) -> str:
        value = descriptor.values_by_number.get(number)
        return value.name if value is not None else str(number)

    return checks + _ordered_checks(stated, lambda value: value, name)


def string_checks(rules: Any) -> list[Check]:
    return _text_checks(rules, _STRING_RULES)


def bytes_checks(rules: Any) -> list[Check]:
    return _text_checks(rules, _BYTES_RULES)


def _ordered_checks(stated: dict[str, Any], key: Callable[[Any], Any], show: Callable[[Any], str]) -> list[Check]:
    bounds: dict[str, Any] = {name: stated.pop(name) for name in ("gt", "gte", "lt", "lte") if name in stated}
    ignore_empty = stated.pop("ignore_empty", False)
    checks: list[Check] = [_range_check(bounds, key, show)] if bounds else []
    for name, rule in stated.items():
        if name == "const":
            checks.append(_equality(rule, key, show))
        elif name == "in":
            checks.append(_membership(rule, key, show, True))
        elif name == "not_in":
            checks.append(_membership(rule, key, show, False))
        else:
            raise UnknownRule(name)
    return [_unless_empty(check) for check in checks] if ignore_empty else checks


def _equality(rule: Any, key: Callable[[Any], Any], show: Callable[[Any], str]) -> Check:
    wanted, reason = key(rule), f"value must equal {show(rule)}"
    return lambda value: None if key(value) == wanted else reason


def _membership(rule: Iterable[Any], key: Callable[[Any], Any], show: Callable[[Any], str], wanted: bool) -> Check:
    members = frozenset(key(each) for each in rule)
    listed = ", ".join(show(each) for each in rule)
    reason = f"value must {'' if wanted else 'not '}be in list [{listed}]"
    return lambda value: None if (key(value) in members) is wanted else reason


def _range_check(bounds: dict[str, Any], key: Callable[[Any], Any], show: Callable[[Any], str]) -> Check:
    """One or two bounds.  A lower bound above the upper one means outside of the two."""
    tests = [(_COMPARE[name], key(bound)) for name, bound in bounds.items()]
    reason = _range_reason(bounds, show)
    if len(tests) == 2 and tests[0][1] > tests[1][1]:
        return lambda value: None if any(compare(key(value), bound) for compare, bound in tests) else reason
    return lambda value: None if all(compare(key(value), bound) for compare, bound in tests) else reason


def _range_reason(bounds: dict[str, Any], show: Callable[[Any], str]) -> str:
    if len(bounds) == 1:
        [(name, bound)] = bounds.items()
        return f"value must be {_WORDS[name]} {show(bound)}"
    (low_name, low), (high_name, high) = bounds.items()
    return f"value must be inside range {'[' if low_name == 'gte' else '('}{show(low)}, {show(high)}{']' if high_name == 'lte' else ')'}"


def _unless_empty(check: Check) -> Check:
    return lambda value: check(value) if value else None


def _text_checks(rules: Any, known: dict[str, Callable[..., Check]]) -> list[Check]:
    stated = options(rules)
    ignore_empty = stated.pop("ignore_empty", False)
    strict = stated.pop("strict", True)
    checks: list[Check] = []
    for name, rule in stated.items():
        if name == "well_known_regex":
            checks.append(_well_known_regex(rule, strict))
        elif name in known:
            checks.append(known[name](rule))
        else:
            raise UnknownRule(name)
    return [_unless_empty(check) for check in checks] if ignore_empty else checks


def _length(count: Callable[[Any], int], compare: Callable[[int, int], bool], word: str, unit: str) -> Callable[[int], Check]:
    def rule(bound: int) -> Check:
        reason = f"value length must be {word}{bound} {unit}"
        return lambda value: None if compare(count(value), bound) else reason

    return rule


def _byte_length(value: str) -> int:
    return len(value.encode())


def _pattern(rule: Any) -> Check:
    compiled = re2.compile(rule)
    reason = f"value does not match regex pattern {rule!r}"
    return lambda value: None if compiled.fullmatch(value) else reason


def _well_known_regex(rule: int, strict: bool) -> Check:
    if rule not in (1, 2):
        raise UnknownRule(f"well_known_regex {rule}")
    pattern = (_HEADER_NAME if rule == 1 else _HEADER_VALUE) if strict else _HEADER_LOOSE
    compiled = re.compile(pattern.removesuffix("$"))
    reason = f"value does not match regex pattern {pattern!r}"
    return lambda value: None if compiled.fullmatch(value) else reason


def _holds(test: Callable[[Any, Any], bool], reason: str) -> Callable[[Any], Check]:
    def rule(argument: Any) -> Check:
        shown = reason.format(argument)
        return lambda value: None if test(value, argument) else shown

    return rule


def _one_of(rule: Any) -> Check:
    return _membership(rule, lambda value: value, str, True)


def _none_of(rule: Any) -> Check:
    return _membership(rule, lambda value: value, str, False)


def _is_ip(value: str, version: int = 0) -> bool:
    try:
        return version in (0, ipaddress.ip_address(value).version)
    except ValueError:
        return False


def _is_host(value: str) -> bool:
    labels = value.removesuffix(".").split(".")
    return len(value) <= 253 and all(len(label) <= 63 and _LABEL.fullmatch(label) for label in labels)


def _is_email(value: str) -> bool:
    local, separator, host = value.rpartition("@")
    return bool(separator) and 0 < len(local) <= 64 and len(value) <= 254 and _is_host(host)


def _is_uri(value: str, absolute: bool) -> bool:
    try:
        return bool(urlsplit(value).scheme) or not absolute
    except ValueError:
        return False


def _is_uuid(value: str) -> bool:
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


_SHARED_RULES: dict[str, Callable[..., Check]] = {
    "const": _holds(operator.eq, "value must equal {}"),
    "prefix": _holds(lambda value, part: value.startswith(part), "value does not have prefix {!r}"),
    "suffix": _holds(lambda value, part: value.endswith(part), "value does not have suffix {!r}"),
    "contains": _holds(lambda value, part: part in value, "value does not contain {!r}"),
    "in": _one_of,
    "not_in": _none_of,
}

_STRING_RULES: dict[str, Callable[..., Check]] = _SHARED_RULES | {
    "len": _length(len, operator.eq, "", "characters"),
    "min_len": _length(len, operator.ge, "at least ", "characters"),
    "max_len": _length(len, operator.le, "at most ", "characters"),
    "len_bytes": _length(_byte_length, operator.eq, "", "bytes"),
    "min_bytes": _length(_byte_length, operator.ge, "at least ", "bytes"),
    "max_bytes": _length(_byte_length, operator.le, "at most ", "bytes"),
    "not_contains": _holds(lambda value, part: part not in value, "value contains {!r}"),
    "pattern": _pattern,
    "email": _holds(lambda value, wanted: not wanted or _is_email(value), "value must be a valid email address"),
    "hostname": _holds(lambda value, wanted: not wanted or _is_host(value), "value must be a valid hostname"),
    "ip": _holds(lambda value, wanted: not wanted or _is_ip(value), "value must be a valid IP address"),
    "ipv4": _holds(lambda value, wanted: not wanted or _is_ip(value, 4), "value must be a valid IPv4 address"),
    "ipv6": _holds(lambda value, wanted: not wanted or _is_ip(value, 6), "value must be a valid IPv6 address"),
    "uri": _holds(lambda value, wanted: not wanted or _is_uri(value, True), "value must be a valid absolute URI"),
    "uri_ref": _holds(lambda value, wanted: not wanted or _is_uri(value, False), "value must be a valid URI"),
    "address": _holds(
        lambda value, wanted: not wanted or _is_ip(value) or _is_host(value), "value must be a valid hostname or IP address"
    ),
    "uuid": _holds(lambda value, wanted: not wanted or _is_uuid(value), "value must be a valid UUID"),
}

_BYTES_RULES: dict[str, Callable[..., Check]] = _SHARED_RULES | {
    "len": _length(len, operator.eq, "", "bytes"),
    "min_len": _length(len, operator.ge, "at least ", "bytes"),
    "max_len": _length(len, operator.le, "at most ", "bytes"),
    "pattern": _pattern,
}
