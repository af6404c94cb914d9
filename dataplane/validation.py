"""Would a proxy accept this?  Resources in, verdicts out: for `--mode validate`, for the control plane before it stores, for tests.

Pure, but for files that a configuration names; on another machine than the proxy's they are not looked at.
Every problem is reported, with its place in the text it came from.
Not here: reading texts (bootstrap), the rules themselves (compile, bootstrap.rules).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from envoy.service.discovery.v3.discovery_pb2 import DiscoveryResponse
from google.protobuf.message import Message

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource, NotKnownHere
from dataplane.bootstrap.load import BootstrapError, LoadedBootstrap
from dataplane.bootstrap.resources import ParsedResource, name_of, parse_discovery_response, read_resources
from dataplane.bootstrap.rules import bootstrap_errors, deprecation_warnings, start_errors
from dataplane.bootstrap.source import Place
from dataplane.bootstrap.text import is_protobuf
from dataplane.compile.context import CompileContext
from dataplane.compile.elsewhere import elsewhere
from dataplane.compile.fields import unpack_typed
from dataplane.compile.message_types import type_url_of
from dataplane.compile.resource import compile_resource

__all__ = [
    "ParsedResource",
    "Problem",
    "bootstrap_warnings",
    "check_bootstrap",
    "check_resources",
    "load_problems",
    "parse_resources",
    "resource_from_message",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a proxy would refuse a configuration.

    document, line, column: where it is written, as far as known; documents count from 0, lines and columns from 1.
    resource: `Cluster{a}`, empty for a bootstrap's own parts.  path: the field below it.
    """

    document: int | None
    line: int | None
    column: int | None
    resource: str
    path: str
    reason: str
    source: str = ""

    def __str__(self) -> str:
        """`file.yaml:12:5: Cluster{a}.lb_policy: reason`."""
        place = [self.source] if self.source else []
        if self.line is not None:
            place += [str(self.line), str(self.column)] if self.column is not None else [str(self.line)]
        where = ".".join(part for part in (self.resource, self.path) if part)
        return ": ".join(part for part in (":".join(place), where, self.reason) if part)


def parse_resources(text: str, source: str = "") -> tuple[list[ParsedResource], list[Problem]]:
    """Every readable resource of *text* (YAML documents or JSON, each with "@type"), and the problems of the others."""
    parsed: list[ParsedResource] = []
    problems: list[Problem] = []
    for found in read_resources(text, source):
        if isinstance(found, ParsedResource):
            parsed.append(found)
        else:
            problems += [_problem(error, found.source.place(error.at), found.document) for error in found.errors]
    return parsed, problems


def resource_from_message(message: Message) -> ParsedResource:
    """A resource that was never a text."""
    return ParsedResource(type_url_of(message), name_of(message), message)


def check_resources(resources: Sequence[ParsedResource], *, local: bool = True) -> list[Problem]:
    """What a proxy that discovers them would answer with a NACK, for each of *resources* by itself, and names that are given twice.

    local: this is the proxy's machine.  Otherwise no file and no environment variable is touched; what depends on them is not judged.
    """
    problems: list[Problem] = []
    seen: set[tuple[str, str]] = set()
    for resource in resources:
        key = resource.type_url, resource.name
        if key in seen:
            problems += _problems(resource, [ConfigError(resource.root, "given more than once")])
        seen.add(key)
        problems += _problems(resource, _errors(resource, local))
    return problems


def check_bootstrap(loaded: LoadedBootstrap, node_id: str = "", node_cluster: str = "") -> list[Problem]:
    """What would keep a proxy from starting with this bootstrap.  node_*: of the command line, for what the bootstrap leaves out."""
    bootstrap = loaded.message
    if (node_id and not bootstrap.node.id) or (node_cluster and not bootstrap.node.cluster):
        bootstrap = type(bootstrap)()
        bootstrap.CopyFrom(loaded.message)
        bootstrap.node.id = bootstrap.node.id or node_id
        bootstrap.node.cluster = bootstrap.node.cluster or node_cluster
    problems = _distinct(_problem(each.error, loaded.source.place(each.at), None) for each in bootstrap_errors(bootstrap))
    dynamic = bootstrap.dynamic_resources
    for source in (dynamic.cds_config, dynamic.lds_config):
        problems += _file_problems(source.path_config_source.path or source.path)
    return problems


def _file_problems(path: str) -> list[Problem]:
    """What is wrong with the resources in a file that a proxy would watch.  A file that is not there is told elsewhere."""
    file = Path(path)
    if not file.is_file():
        return []
    if is_protobuf(path):
        try:
            response = DiscoveryResponse.FromString(parse_discovery_response(file.read_bytes(), path))
            return check_resources([resource_from_message(unpack_typed(packed, FieldPath())) for packed in response.resources])
        except ConfigError as error:
            return [_problem(error, Place(path), None)]
        except InvalidResource as error:
            return [_problem(each, Place(path), None) for each in error.errors]
    parsed, problems = parse_resources(file.read_text(encoding="utf-8", errors="replace"), path)
    return problems + check_resources(parsed)


def bootstrap_warnings(loaded: LoadedBootstrap, *, deprecations: bool = True) -> list[Problem]:
    """What an operator should know of a bootstrap that is accepted: deprecated and dropped fields, and what a start will stumble over."""
    start = (each.error for each in start_errors(loaded.message))
    errors = (*loaded.warnings, *(deprecation_warnings(loaded.message) if deprecations else ()), *start)
    return _distinct(_problem(error, loaded.source.place(error.at), None) for error in errors)


def load_problems(error: BootstrapError) -> list[Problem]:
    """Why a bootstrap could not even be read."""
    return [_problem(each, place, None) for each, place in zip(error.errors, error.places, strict=True)]


def _errors(resource: ParsedResource, local: bool) -> Sequence[ConfigError]:
    if not resource.name:
        return [ConfigError(resource.root, "a resource needs a name")]
    try:
        with nullcontext() if local else elsewhere():
            compile_resource(resource.type_url, resource.message, CompileContext(added_via_api=True))
    except InvalidResource as error:
        return error.errors
    except NotKnownHere:
        return ()  # as far as can be judged here nothing is wrong
    return ()


def _problems(resource: ParsedResource, errors: Iterable[ConfigError]) -> list[Problem]:
    return _distinct(_problem(error, resource.place(error.at), resource.document) for error in errors)


def _problem(error: ConfigError, place: Place, document: int | None) -> Problem:
    path = str(_below_root(error.at))
    return Problem(document, place.line, place.column, error.at.root, path, error.reason, place.source)


def _below_root(at: FieldPath) -> FieldPath:
    path = FieldPath()
    for step in at.steps:
        path = path / step
    return path


def _distinct(problems: Iterator[Problem]) -> list[Problem]:
    return list(dict.fromkeys(problems))
