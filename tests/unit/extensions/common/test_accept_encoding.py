"""The client's choice among compressors."""

from __future__ import annotations

import pytest

from dataplane.extensions.common.accept_encoding import Choice, Why, choose

NOBODY = Choice(b"identity", Why.NOT_VALID)


@pytest.mark.parametrize(
    ("asked", "choice"),
    [
        (b"gzip", Choice(b"gzip", Why.USED)),
        (b"gzip, br", Choice(b"gzip", Why.USED)),
        (b"br, gzip", Choice(b"br", Why.USED)),
        (b"gzip;q=0.5, br;q=0.9", Choice(b"br", Why.USED)),
        (b"gzip; Q=0.5 ,br; q = 0.9", Choice(b"br", Why.USED)),
        (b"*", Choice(b"gzip", Why.WILDCARD)),
        (b"*, gzip;q=0", Choice(b"br", Why.WILDCARD)),
        (b"identity, gzip;q=0.5", Choice(b"identity", Why.IDENTITY)),
        (b"gzip;level=1", Choice(b"gzip", Why.USED)),
        (b"gzip;q=x", NOBODY),
        (b"gzip;q=0, br;q=0", NOBODY),
        (b"deflate", NOBODY),
        (b"", NOBODY),
    ],
)
def test_choice(asked: bytes, choice: Choice) -> None:
    assert choose(asked, [b"gzip", b"br"]) == choice


def test_nothing_is_offered() -> None:
    assert choose(b"gzip", []) == NOBODY
