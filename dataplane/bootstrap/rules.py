"""What must hold of a bootstrap as a whole, beyond the shape of its messages: names that are referred to, identities, duplicates.

Here: the list of the checks, and those of the static resources.  Not here: references (references.py), the bootstrap's own parts
(part_rules.py), what holds of one resource (compile).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource, Problems
from dataplane.bootstrap.located import Located, located
from dataplane.bootstrap.part_rules import PART_RULES
from dataplane.bootstrap.references import REFERENCE_RULES, names_of_used_secrets
from dataplane.bootstrap.resources import name_of
from dataplane.compile import constraints
from dataplane.compile.bootstrap import compile_bootstrap
from dataplane.compile.context import CompileContext
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import compile_resource
from dataplane.compile.support_walk import check_support

if TYPE_CHECKING:
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

_STATIC = FieldPath() / "static_resources"


def bootstrap_errors(bootstrap: Bootstrap) -> Iterator[Located]:
    """Every reason not to start with *bootstrap*, but those of `start_errors`."""
    for error in _shape_errors(bootstrap):
        yield Located(error, error.at)
    for field in ("clusters", "listeners"):
        for index, message in enumerate(getattr(bootstrap.static_resources, field)):
            yield from _resource_errors(message, _STATIC / field / index)
    used = names_of_used_secrets(bootstrap)
    for index, secret in enumerate(bootstrap.static_resources.secrets):
        check = _resource_errors if secret.name in used else _resource_shape_errors
        yield from check(secret, _STATIC / "secrets" / index)
    for error in _part_errors(bootstrap):
        if not _is_of_listener_source(error):
            yield Located(_told_of_resource(error, bootstrap), error.at)


def start_errors(bootstrap: Bootstrap) -> Iterator[Located]:
    """Errors that only a start meets: Envoy's validation does not look at where listeners come from, so neither does ours."""
    for error in _part_errors(bootstrap):
        if _is_of_listener_source(error):
            yield Located(error, error.at)


def deprecation_warnings(bootstrap: Bootstrap) -> list[ConfigError]:
    """Fields that are honoured and will not be for ever."""
    warnings: list[ConfigError] = []
    constraints.check(bootstrap, FieldPath(), Problems(), warnings)
    return warnings


def _is_of_listener_source(error: ConfigError) -> bool:
    return error.at.steps[:2] == ("dynamic_resources", "lds_config")


def _shape_errors(bootstrap: Any) -> list[ConfigError]:
    """The rules of the API and supported fields; for all but the static resources, which are checked one by one."""
    own = type(bootstrap)()
    own.CopyFrom(bootstrap)
    own.ClearField("static_resources")
    problems = Problems()
    constraints.check(own, FieldPath(), problems)
    check_support(own, FieldPath(), problems)
    return problems.errors


def _part_errors(bootstrap: Bootstrap) -> Iterator[ConfigError]:
    context = CompileContext()
    compile_bootstrap(bootstrap, context)
    yield from context.problems.errors
    for rule in (*PART_RULES, *REFERENCE_RULES):
        yield from rule(bootstrap)


def _resource_errors(message: Any, at: FieldPath) -> Iterator[Located]:
    try:
        compile_resource(type_url_of(message), message)
    except InvalidResource as error:
        root = FieldPath(message.DESCRIPTOR.name, name_of(message))
        for each in error.errors:
            yield located(each, root, at)


def _resource_shape_errors(message: Any, at: FieldPath) -> Iterator[Located]:
    """Without what needs its content: files, keys."""
    root = FieldPath(message.DESCRIPTOR.name, name_of(message))
    problems = Problems()
    constraints.check(message, root, problems)
    check_support(message, root, problems)
    for each in problems.errors:
        yield located(each, root, at)


def _told_of_resource(error: ConfigError, bootstrap: Any) -> ConfigError:
    """The same with the path of the static resource it is about, if it is about one."""
    steps = error.at.steps
    if len(steps) < 3 or steps[0] != "static_resources":
        return error
    message = getattr(bootstrap.static_resources, str(steps[1]))[steps[2]]
    told = FieldPath(message.DESCRIPTOR.name, name_of(message))
    for step in steps[3:]:
        told = told / step
    return ConfigError(told, error.reason)
