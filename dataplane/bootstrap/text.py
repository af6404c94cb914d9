"""A bootstrap's text, in any of Envoy's forms → tree or message; told apart by the file's extension, else by its content.

`.pb` is a serialized message, `.pb_text` protobuf's text format, `.yaml` and `.yml` YAML, anything else JSON.  Envoy goes by the extension
alone; so that a pipe (`/dev/fd/63`) and a file without extension work with any form, content that is not JSON is read as YAML here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from google.protobuf import text_format
from google.protobuf.message import DecodeError, Message

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.bootstrap.json_text import parse_json
from dataplane.bootstrap.yaml_text import parse_yaml, parse_yaml_documents
from dataplane.compile.tree import SyntaxProblem, Value

_YAML = (".yaml", ".yml")


def is_protobuf(path: str) -> bool:
    """Whether the file holds a message, in its binary or its text form: there is no tree then."""
    return path.lower().endswith((".pb", ".pb_text"))


def read_protobuf(data: bytes, path: str, message: Message) -> None:
    """Fill *message* from a `.pb` or `.pb_text` file.  Raises ConfigError."""
    try:
        if path.lower().endswith(".pb"):
            message.ParseFromString(data)
        else:
            text_format.Parse(data, message)
    except text_format.ParseError as error:
        raise SyntaxProblem(f"not text protobuf: {error}", error.GetLine() or 1, error.GetColumn() or 1) from None
    except (DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(FieldPath(), f"not a serialized {message.DESCRIPTOR.full_name}: {error}") from None


def parse_text(data: bytes, path: str = "") -> Value:
    """The tree of a YAML or JSON file.  Raises SyntaxProblem."""
    text = _decode(data)
    if path.lower().endswith(_YAML):
        return parse_yaml(text)
    if path.lower().endswith(".json"):
        return parse_json(text)
    return next(parse_documents(text), Value(None, 1, 1))


def parse_documents(text: str) -> Iterator[Value]:
    """Every document of a YAML text, or the one value of a JSON text.  Raises SyntaxProblem."""
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in ("{", "["):
        # YAML's flow style looks like JSON and need not be.
        with suppress(SyntaxProblem):
            yield parse_json(text)
            return
    yield from parse_yaml_documents(text)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SyntaxProblem("not UTF-8", data.count(b"\n", 0, error.start) + 1, 1) from None
