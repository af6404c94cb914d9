"""Reading case files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.differential.case import load_cases, load_file, merge
from tests.differential.script import Act, Await, Send


def case_file(tmp_path: Path, **content: object) -> Path:
    path = tmp_path / "case.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_lines_become_a_head(tmp_path: Path) -> None:
    [case] = load_file(case_file(tmp_path, send="GET / HTTP/1.1\nHost: a.test"), "topic/name")
    [step] = case.clients["client"]
    assert isinstance(step, Send)
    assert step.pieces == (b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",)
    assert step.request_methods == (b"GET",)
    assert (case.topic, case.key) == ("topic", "topic-name")


def test_chunks_trailers_and_splits(tmp_path: Path) -> None:
    path = case_file(tmp_path, send="POST / HTTP/1.1", chunks=["abc", "é"], trailers="t: 1", split=[4])
    [case] = load_file(path, "topic/name")
    [step] = case.clients["client"]
    assert isinstance(step, Send)
    assert step.pieces == (b"POST", b" / HTTP/1.1\r\n\r\n3\r\nabc\r\n1\r\n\xe9\r\n0\r\nt: 1\r\n\r\n")


def test_cases_share_what_stands_beside_them(tmp_path: Path) -> None:
    path = case_file(
        tmp_path, hcm={"via": "x"}, cases={"one": "GET /1 HTTP/1.1", "two": {"hcm": {"via": None}, "send": "GET /2"}}
    )
    one, two = load_file(path, "topic/name")
    assert (one.id, two.id) == ("topic/name.one", "topic/name.two")
    assert (one.config["hcm"], two.config["hcm"]) == ({"via": "x"}, {})


def test_steps(tmp_path: Path) -> None:
    steps = [{"await": "eof"}, {"await": {"mark": "x"}}, {"bytes": "\x00\xff"}, {"mark": "y"}, "close"]
    [case] = load_file(case_file(tmp_path, client=steps), "topic/name")
    assert case.clients["client"] == (Await("eof"), Await("mark", b"x"), Send((b"\x00\xff",)), Act("mark", "y"), Act("close"))


@pytest.mark.parametrize(
    "content",
    [
        {"send": "GET /", "no_such_key": 1},
        {"client": [{"head": "GET /", "bytes": "x"}]},
        {"client": [{"await": "miracle"}]},
        {"send": "GET /", "upstream": "explode"},
        {"about": "nothing is sent"},
    ],
)
def test_mistakes_are_refused(tmp_path: Path, content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"case\.yaml"):
        load_file(case_file(tmp_path, **content), "topic/name")


def test_merge() -> None:
    assert merge({"a": {"b": 1, "c": [1]}}, {"a": {"b": None, "c": [2], "d": {}}}) == {"a": {"c": [2], "d": {}}}


def test_every_case_file_is_readable_and_ids_are_unique() -> None:
    cases = load_cases()
    assert len({case.key for case in cases}) == len(cases) > 500
