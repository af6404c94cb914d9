"""Resources and groups as text for people: canonical YAML, and the difference of two.

Here: message to YAML.  Not here: which resources differ (revisions.diff).
Canonical: equal content gives equal text.  "@type" and "name" come first, everything else by name.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict

import yaml
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import MessageToDict

from controlplane.base.group import Group
from controlplane.base.resource import Resource

Yaml = dict[str, "Yaml"] | list["Yaml"] | str | int | float | bool | None

_FIRST = {"@type": 0, "name": 1, "cluster_name": 2}


def resource_yaml(resource: Resource) -> str:
    fields = MessageToDict(AnyMessage(type_url=resource.type_url, value=resource.body), preserving_proto_field_name=True)
    return _dump(fields)


def group_yaml(group: Group) -> str:
    return _dump(asdict(group))


def unified_diff(before: str, after: str, name: str) -> str:
    """Empty when the texts are equal."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"before/{name}", f"after/{name}", lineterm="")
    return "\n".join(lines)


def _dump(fields: Yaml) -> str:
    text: str = yaml.dump(_ordered(fields), Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _ordered(value: Yaml) -> Yaml:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=lambda key: (_FIRST.get(key, len(_FIRST)), key))}
    return [_ordered(item) for item in value] if isinstance(value, list | tuple) else value
