"""Plain Python data → messages, for tests of configuration."""

from __future__ import annotations

from typing import TypeVar

from google.protobuf.message import Message

from dataplane.base.errors import FieldPath
from dataplane.compile.from_tree import Conversion, fill
from dataplane.compile.tree import value_of

Kind = TypeVar("Kind", bound=Message)


def convert(message: Kind, data: object) -> Kind:
    """*message*, filled with *data*; raises InvalidResource."""
    run = Conversion()
    fill(message, value_of(data), FieldPath(), run)
    run.problems.raise_if_any()
    return message


def problems(message: Message, data: object) -> list[str]:
    """What is wrong with *data* as a message of this type."""
    run = Conversion()
    fill(message, value_of(data), FieldPath(), run)
    return [str(error) for error in run.problems.errors]
