"""Trees and the way from a field path back to the text."""

from __future__ import annotations

import pytest

from dataplane.bootstrap.yaml_text import parse_yaml
from dataplane.compile.tree import camel_case, place_of, plain, value_of


def line_of(text: str, *steps: str | int) -> int:
    found = place_of([parse_yaml(text)], steps)
    assert found is not None
    return found[1].line


TEXT = """\
static:
  clusters:
  - name: a
    connectTimeout: 5
  listener:
    name: b
  any:
    "@type": x/xds.type.v3.TypedStruct
    type_url: y
    value:
      stat_prefix: z
"""


@pytest.mark.parametrize(
    ("steps", "line"),
    [
        ((), 1),
        (("static",), 1),
        (("static", "clusters", 0, "name"), 3),
        (("static", "clusters", 0, "connect_timeout"), 4),
        (("static", "listener", 0, "name"), 6),
        (("static", "any", "stat_prefix"), 11),
        (("static", "clusters", 0, "nope", "deeper"), 3),
        (("static", "clusters", 7), 2),
        (("static", "clusters", "name"), 2),
        (("nope",), 1),
    ],
)
def test_places(steps: tuple[str | int, ...], line: int) -> None:
    assert line_of(TEXT, *steps) == line


def test_places_in_merged_texts() -> None:
    roots = [parse_yaml("a:\n- 1\n- 2\nb: 1\n"), parse_yaml("\na:\n- 3\nc: 1\n")]
    found = {steps: place_of(roots, steps) for steps in (("a", 1), ("a", 2), ("b",), ("c",))}
    assert {steps: (place[0], place[1].line) for steps, place in found.items() if place} == {
        ("a", 1): (0, 3),
        ("a", 2): (1, 3),
        ("b",): (0, 4),
        ("c",): (1, 4),
    }


def test_no_text_no_place() -> None:
    assert place_of([], ("a",)) is None


def test_plain_data() -> None:
    data = {"a": [1, 2.5, None, True, "x", {}], "b": {"c": []}}
    assert plain(value_of(data)) == data
    with pytest.raises(TypeError, match="not plain data"):
        value_of({"a": object()})


def test_camel_case() -> None:
    assert [camel_case(name) for name in ("a", "connect_timeout", "a__b", "use_1_2")] == ["a", "connectTimeout", "aB", "use12"]
