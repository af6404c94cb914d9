"""HTTP/1.1 hosts that never come to an end, say nonsense, or nothing; ours beside Envoy: what the client gets, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.hostile_world import ENVOY, OURS, HostileHost, World, hostile_world
from tests.support.outcomes import BROKEN, BROKEN_AMID, CLOSED, GOOD, LATE, LATE_AMID

pytestmark = pytest.mark.e2e

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
ANSWER = OK + b"content-length: 2\r\n\r\nok"
ENDLESS = 4 << 20


# What the host says, how it ends, and what the request is logged as: status, flags, details.
ANSWERS: dict[str, tuple[bytes, str, str]] = {
    "a reason without end": (b"HTTP/1.1 200 " + b"O" * ENDLESS, "", BROKEN),
    "a name without end": (OK + b"a" * ENDLESS, "", BROKEN),
    "a value without end": (OK + b"x: " + b"a" * ENDLESS, "", BROKEN),
    "fields without end": (OK + b"x: a\r\n" * 500_000, "", BROKEN),
    "blank lines without end": (b"\r\n" * ENDLESS, "", BROKEN),
    "zeros": (bytes(ENDLESS), "", BROKEN),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 1000, "", BROKEN),
    "early hints, and then the answer": (HINTS * 500 + ANSWER, "", GOOD),
    "early hints without end": (HINTS * 10_000, "", LATE),
    "100 (Continue) without end": (b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000, "", LATE),
    "one early hint without end": (b"HTTP/1.1 103 Early Hints\r\nlink: " + b"a" * ENDLESS, "", BROKEN),
    "large chunk extensions": (CHUNKED + (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 1000 + b"0\r\n\r\n", "", GOOD),
    "chunks of a byte": (CHUNKED + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n", "", GOOD),
    "a chunk size without end": (CHUNKED + b"5" * 1000, "", BROKEN_AMID),
    "trailers without end": (CHUNKED + b"2\r\nok\r\n0\r\n" + b"x: a\r\n" * 100_000, "", BROKEN_AMID),
    "nothing": (b"", "", LATE),
    "half a head": (OK + b"content-le", "", LATE),
    "half a body": (OK + b"content-length: 10\r\n\r\nhalf", "", LATE_AMID),
    "half a chunk": (CHUNKED + b"a\r\nhalf", "", LATE_AMID),
    "a FIN": (b"", "close", CLOSED),
    "a FIN amid the head": (OK + b"content-le", "close", BROKEN),
    "a FIN amid the body": (OK + b"content-length: 10\r\n\r\nhalf", "close", BROKEN_AMID),
    "a FIN amid a chunk": (CHUNKED + b"a\r\nhalf", "close", BROKEN_AMID),
    "a reset": (b"", "reset", CLOSED),
}

# The same for a request whose body is not read.
EARLY_ANSWERS: dict[str, tuple[bytes, str]] = {
    "answers early": (b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno", "413 - via_upstream"),
    "says to go on, and nothing more": (b"HTTP/1.1 100 Continue\r\n\r\n", LATE),
    "never answers": (b"", LATE),
    "answers nonsense": (b"nonsense\r\n\r\n", BROKEN),
}


@pytest.fixture(scope="module", params=[OURS, ENVOY])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with hostile_world(request.param, tmp_path_factory.mktemp(request.param), HostileHost()) as made:
        yield made


@pytest.mark.parametrize(("answer", "end", "logged"), ANSWERS.values(), ids=ANSWERS)
def test_what_a_host_does_wrong_is_told_to_whom_it_concerns(world: World, answer: bytes, end: str, logged: str) -> None:
    assert world.ask_the_hostile_host(answer, end, late=logged in (LATE, LATE_AMID)) == logged


@pytest.mark.parametrize(("answer", "logged"), EARLY_ANSWERS.values(), ids=EARLY_ANSWERS)
def test_an_upload_that_the_host_does_not_read_waits_for_nobody(world: World, answer: bytes, logged: str) -> None:
    assert world.ask_the_hostile_host(answer, "", bytes(ENDLESS), late=logged in (LATE, LATE_AMID)) == logged


def test_a_chunk_extension_without_end(world: World) -> None:
    """docs/differences.md: Envoy reads on for as long as it comes."""
    logged = world.ask_the_hostile_host(CHUNKED + b"5;" + b"a" * ENDLESS, "", late=not world.is_ours)
    assert logged == (BROKEN_AMID if world.is_ours else LATE_AMID)
