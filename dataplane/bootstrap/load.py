"""Bootstrap: file and command line → one `envoy.config.bootstrap.v3.Bootstrap`, with the places of its parts.

Here: reading (once: the file may be a pipe), merging `--config-yaml` over `-c`, conversion.  Not here: whether the result makes sense
(dataplane.validation).  Envoy: server/server.cc loadBootstrap, operations/cli.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataplane.base.errors import ConfigError, FieldPath, InvalidResource
from dataplane.bootstrap.source import Place, SourceMap
from dataplane.bootstrap.text import is_protobuf, parse_text, read_protobuf
from dataplane.bootstrap.yaml_text import parse_yaml
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.scalars import kind_of
from dataplane.compile.tree import SyntaxProblem, Value

if TYPE_CHECKING:
    from envoy.config.bootstrap.v3.bootstrap_pb2 import Bootstrap

CONFIG_YAML = "--config-yaml"
"""The name of the second source in messages."""


@dataclass(frozen=True, slots=True)
class LoadedBootstrap:
    """message: what was asked for.  source: where its parts stand.  warnings: unknown fields that were dropped."""

    message: Bootstrap
    source: SourceMap
    warnings: tuple[ConfigError, ...] = ()


class BootstrapError(InvalidResource):
    """The bootstrap could not be read or is no Bootstrap message.  places: one for each of `errors`."""

    def __init__(self, errors: list[ConfigError], places: list[Place]) -> None:
        super().__init__(errors)
        self.places = tuple(places)

    def __str__(self) -> str:
        return "; ".join(f"{_where(place)}{error}" for place, error in zip(self.places, self.errors, strict=True))


def load(path: str | None = None, yaml_text: str | None = None, allow_unknown: bool = False) -> LoadedBootstrap:
    """Read *path* and merge *yaml_text* over it.  Raises BootstrapError with every error of both.

    allow_unknown: unknown fields are dropped and become warnings (`--allow-unknown-static-fields`).
    """
    from envoy.config.bootstrap.v3 import bootstrap_pb2

    message: Bootstrap = bootstrap_pb2.Bootstrap()
    run = Conversion(allow_unknown)
    roots: list[tuple[str, Value]] = []
    if path:
        _read_file(path, message, roots, run)
    if yaml_text:
        override = bootstrap_pb2.Bootstrap()
        _convert(_parse(yaml_text.encode(), CONFIG_YAML, ".yaml"), CONFIG_YAML, override, roots, run)
        message.MergeFrom(override)
    source = SourceMap(roots, path or CONFIG_YAML)
    if run.problems.errors:
        errors = run.problems.errors
        raise BootstrapError(errors, [source.place(error.at) for error in errors])
    return LoadedBootstrap(message, source, tuple(run.dropped))


def _read_file(path: str, message: Any, roots: list[tuple[str, Value]], run: Conversion) -> None:
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise _failed(f"cannot be read: {error.strerror}", Place(path)) from None
    if not is_protobuf(path):
        _convert(_parse(data, path, path), path, message, roots, run)
        return
    try:
        read_protobuf(data, path, message)
    except SyntaxProblem as error:
        raise _failed(error.reason, Place(path, error.line, error.column)) from None
    except ConfigError as error:
        raise _failed(error.reason, Place(path)) from None


def _parse(data: bytes, name: str, extension_of: str) -> Value:
    try:
        root = parse_yaml(data.decode()) if extension_of == ".yaml" else parse_text(data, extension_of)
    except SyntaxProblem as error:
        raise _failed(error.reason, Place(name, error.line, error.column)) from None
    if not isinstance(root.content, dict):
        raise _failed(f"expected an object, got {kind_of(root.content)}", Place(name, root.line, root.column))
    return root


def _convert(root: Value, name: str, message: Any, roots: list[tuple[str, Value]], run: Conversion) -> None:
    roots.append((name, root))
    fill(message, root, FieldPath(), run)


def _failed(reason: str, place: Place) -> BootstrapError:
    return BootstrapError([ConfigError(FieldPath(), reason)], [place])


def _where(place: Place) -> str:
    return f"{place.source}:{place.line}:{place.column}: " if place.line is not None else f"{place.source}: "
