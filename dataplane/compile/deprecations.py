"""Fields and enum values that the API calls deprecated: refused where Envoy refuses them by default, else a warning.

Envoy: MessageUtil::checkForUnexpectedFields; annotations envoy.annotations.disallowed_by_default and `deprecated`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from envoy.annotations import deprecation_pb2
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.findings import Findings, Visit, reporting, when_missing


def deprecated_default(each: FieldDescriptor) -> list[Visit]:
    """For a message: an enum field that is not set and whose default value is refused."""
    if each.enum_type is None or not _deprecated_values(each.enum_type).get(0):
        return []
    reason = f"the default value {each.enum_type.values_by_number[0].name} is deprecated and no longer allowed"
    return [when_missing(lambda message: getattr(message, each.name) != 0, each.name, reason)]


def deprecation(each: FieldDescriptor) -> list[Visit]:
    """For a field that is set."""
    stated = each.GetOptions()
    name = each.full_name
    visits: list[Visit] = []
    if stated.Extensions[deprecation_pb2.disallowed_by_default]:
        visits.append(reporting(lambda value: f"{name} is deprecated and no longer allowed"))
    elif stated.deprecated:
        visits.append(_warning(f"{name} is deprecated"))
    if each.enum_type is not None and not each.is_repeated:
        visits += _of_values(each.enum_type)
    return visits


def _warning(reason: str) -> Visit:
    return lambda value, at, findings: findings.warnings.append(ConfigError(at, reason))


def _of_values(enum: EnumDescriptor) -> list[Visit]:
    disallowed = _deprecated_values(enum)
    if not disallowed:
        return []

    def visit(value: int, at: FieldPath, findings: Findings) -> None:
        refused = disallowed.get(value)
        if refused is not None:
            name = enum.values_by_number[value].name
            if refused:
                findings.problems.add(at, f"the value {name} is deprecated and no longer allowed")
            else:
                findings.warnings.append(ConfigError(at, f"the value {name} is deprecated"))

    return [visit]


@cache
def _deprecated_values(enum: EnumDescriptor) -> Mapping[int, bool]:
    """Deprecated values, and whether they are refused."""
    stated = {value.number: value.GetOptions() for value in enum.values}
    return {
        number: bool(each.Extensions[deprecation_pb2.disallowed_by_default_enum])
        for number, each in stated.items()
        if each.deprecated or each.Extensions[deprecation_pb2.disallowed_by_default_enum]
    }
