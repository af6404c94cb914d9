"""JSON with Envoy's leniency."""

from __future__ import annotations

import pytest

from dataplane.bootstrap.json_text import parse_json
from dataplane.compile.tree import SyntaxProblem, plain


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ('{"a": [1, -2.5, 1e3, true, false, null, "x"]}', {"a": [1, -2.5, 1000.0, True, False, None, "x"]}),
        ('{"a": [1, 2,], "b": {},}', {"a": [1, 2], "b": {}}),
        ("{'a': 'b', c: \"d\"}", {"a": "b", "c": "d"}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        (r'"\u00e9\n\/\"\ud83d\ude00"', 'é\n/"😀'),
        ('"a\nb\tc"', "a\nb\tc"),
        ("12345678901234567890", 12345678901234567890),
        (" \t\r\n[] ", []),
    ],
)
def test_values(text: str, meaning: object) -> None:
    assert plain(parse_json(text)) == meaning


def test_places() -> None:
    root = parse_json('{"a":\n  {"b": 5}}')
    assert isinstance(root.content, dict)
    a = root.content["a"]
    assert (a.line, a.column) == (2, 3)
    assert isinstance(a.content, dict)
    assert (a.content["b"].line, a.content["b"].column) == (2, 9)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("{", 1, 2),
        ("{,}", 1, 2),
        ("[,]", 1, 2),
        ('{"a" 1}', 1, 6),
        ('{"a": 1 "b": 2}', 1, 9),
        ('{"a": 01}', 1, 7),
        ('{"a": +1}', 1, 7),
        ('{"a": .5}', 1, 7),
        ('{"a": 5.}', 1, 7),
        ('{"a": TRUE}', 1, 7),
        ("// c\n{}", 1, 1),
        ("{}\n{}", 2, 1),
        ('"ab', 1, 4),
        (r'"\x"', 1, 3),
        (r'"\u12"', 1, 3),
        (r'"\ud800"', 1, 8),
        (r'"\ud800\u0041"', 1, 14),
        ("[" * 500, 1, 102),
    ],
)
def test_what_is_not_json(text: str, line: int, column: int) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse_json(text)
    assert (caught.value.line, caught.value.column) == (line, column)
