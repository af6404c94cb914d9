"""YAML as yaml-cpp reads it.  Each expectation was seen in a real Envoy's config_dump of the same text."""

from __future__ import annotations

import pytest

from dataplane.bootstrap import yaml_text
from dataplane.bootstrap.yaml_text import parse_yaml, parse_yaml_documents
from dataplane.compile.tree import SyntaxProblem, plain


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        *[(word, False) for word in ("n", "N", "no", "off", "OFF", "false", "False")],
        *[(word, True) for word in ("y", "Y", "yes", "on", "On", "true", "TRUE")],
        *[(word, None) for word in ("~", "null", "Null", "NULL", "")],
        *[
            (word, word)
            for word in ("tRUE", "nULL", "1e3", "1.5", "10.0", ".5", "18_000", "12:30:45", "0o17", "0b1", "inf", "<<", "=")
        ],
        *[(word, word) for word in ("2147483648", "-2147483649", "9007199254740993", "0018000", "08", "2001-01-01")],
        *[
            ("2147483647", 2147483647),
            ("-5", -5),
            ("+5", 5),
            ("-0", 0),
            ("00", 0),
            ("0777", 511),
            ("0x10", 16),
            ("0XFF", 255),
            ("-0x10", -16),
        ],
        *[("'n'", "n"), ('"5"', "5"), ("''", ""), ('"\\x41\\u00e9"', "Aé"), ("'it''s'", "it's"), ("! 5", "5")],
        *[("!!str 5", 5), ("!!int '5'", 5), ("!foo 5", 5), ("!!null x", "x"), ("!!bool x", "x")],
        *[("|\n lit\n b", "lit\nb\n"), (">\n fold\n b", "fold b\n")],
    ],
)
def test_scalars(text: str, meaning: object) -> None:
    found = plain(parse_yaml(f"k: {text}\n"))
    assert found == {"k": meaning}
    assert type(found["k"]) is type(meaning)  # type: ignore[index]  # a dict, as just seen


def test_ipv6_addresses_need_no_quotes_inside_of_brackets() -> None:
    text = "a: {address: ::1, b: [::, ::ffff:1.2.3.4 ], c: 'x: ::1'}\nd: ::1\n"
    assert [plain(each) for each in parse_yaml_documents(f"e: 1\n---\n{text}")] == [{"e": 1}, plain(parse_yaml(text))]
    assert plain(parse_yaml(text)) == {"a": {"address": "::1", "b": ["::", "::ffff:1.2.3.4"], "c": "x: ::1"}, "d": "::1"}


def test_the_last_of_equal_keys_wins() -> None:
    assert plain(parse_yaml("a: 1\na: {b: 2}\n")) == {"a": {"b": 2}}


def test_a_key_tagged_ignore_is_left_out_but_its_anchor_is_known() -> None:
    assert plain(parse_yaml("!ignore shared: &s {a: 1}\nb: *s\n")) == {"b": {"a": 1}}


def test_ignore_on_a_value_is_a_tag_like_any_other() -> None:
    assert plain(parse_yaml("a: !ignore x\n")) == {"a": "x"}


def test_only_the_first_document_is_read() -> None:
    assert plain(parse_yaml("a: 1\n---\n[: {")) == {"a": 1}


def test_all_documents() -> None:
    assert [plain(each) for each in parse_yaml_documents("a: 1\n---\n---\nb: 2\n")] == [{"a": 1}, None, {"b": 2}]


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_nothing(text: str) -> None:
    assert plain(parse_yaml(text)) is None


def test_places_are_those_of_keys_and_of_scalars_beside_their_key() -> None:
    root = parse_yaml("a:\n  b: 5\n  c:\n  - x\n")
    assert isinstance(root.content, dict)
    a = root.content["a"]
    assert (a.line, a.column) == (1, 1)
    assert isinstance(a.content, dict)
    assert (a.content["b"].line, a.content["b"].column) == (2, 6)
    c = a.content["c"]
    assert (c.line, c.column) == (3, 3)
    assert isinstance(c.content, list)
    assert (c.content[0].line, c.content[0].column) == (4, 5)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a: [b\n", 2, 1, "not YAML"),
        ("\ta: b", 1, 1, "not YAML"),
        ("a:\n- b: c: d", 2, 7, "not YAML"),
        ("a: 1\n[b]: 2\n", 2, 1, "a key must be a scalar"),
        ("a: *b\n", 1, 4, "no anchor 'b'"),
        ("&a [*a]", 1, 5, "no anchor 'a'"),
        ("a\n\x01", 2, 1, "control characters"),
        ("a: \ud800", 1, 1, "not valid Unicode"),
        ("[" * 200, 1, 101, "nested too deeply"),
    ],
)
def test_what_is_not_yaml(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(SyntaxProblem, match=reason) as caught:
        parse_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_aliases_count_as_often_as_they_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "MAX_VALUES", 1000)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(8)]
    with pytest.raises(SyntaxProblem, match="more than 1000 values"):
        parse_yaml("\n".join(lines))
