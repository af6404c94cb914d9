"""Who is admitted, and where listening without a token is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from controlplane.admin.token import Token, TokenError, is_loopback, require_safe


def test_without_a_token_everybody_is_admitted() -> None:
    token = Token.from_file(None)
    assert not token.is_required
    assert token.admits(None)


@pytest.mark.parametrize(
    "presented", [None, "", "Bearer", "Bearer ", "Bearer s3cre", "Bearer s3cret ", "bearer s3cret", "Bearer ü"]
)
def test_only_the_exact_token_is_admitted(tmp_path: Path, presented: str | None) -> None:
    file = tmp_path / "token"
    file.write_text("\n s3cret \n")
    token = Token.from_file(file)
    assert token.admits("Bearer s3cret")
    assert not token.admits(presented)


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe"])
def test_an_unusable_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(TokenError):
        Token.from_file(file)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.com", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
    if expected:
        require_safe(Token(None), host, insecure=False)
    else:
        with pytest.raises(TokenError, match="without a token"):
            require_safe(Token(None), host, insecure=False)
    require_safe(Token("s"), host, insecure=False)
    require_safe(Token(None), host, insecure=True)
