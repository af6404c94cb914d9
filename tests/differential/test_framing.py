"""Where messages end."""

from __future__ import annotations

import pytest

from tests.differential.framing import count_final_responses, read_request, read_response

SIZED = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nup"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: 1\r\n\r\n"


@pytest.mark.parametrize("answer", [SIZED, CHUNKED])
def test_complete_at_its_last_byte(answer: bytes) -> None:
    for end in range(len(answer)):
        assert read_response(answer[:end], 0, b"GET") is None
    found = read_response(answer + b"more", 0, b"GET")
    assert found is not None
    assert found.end == len(answer)


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_without_a_body_whatever_the_head_says(method: bytes, status: int) -> None:
    head = b"HTTP/1.1 %d x\r\ncontent-length: 5\r\n\r\n" % status
    found = read_response(head, 0, method)
    assert found is not None
    assert found.end == len(head)


def test_an_answer_that_ends_with_its_connection_is_never_complete() -> None:
    assert read_response(b"HTTP/1.1 200 OK\r\n\r\nhello", 0, b"GET") is None


def test_interim_answers_do_not_count() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert count_final_responses(interim, [b"GET"]) == 0
    assert count_final_responses(interim + SIZED + interim + CHUNKED + SIZED[:-1], [b"GET"] * 3) == 2


def test_a_head_answer_between_others() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
    assert count_final_responses(SIZED + head + SIZED, [b"GET", b"HEAD", b"GET"]) == 3


def test_requests() -> None:
    request = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
    assert read_request(request[:-1], 0) is None
    found = read_request(request * 2, len(request))
    assert found is not None
    assert (found.method, found.end) == (b"POST", 2 * len(request))
