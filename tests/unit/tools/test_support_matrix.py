"""The support matrix says what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools import support_matrix


def test_the_committed_document_is_current() -> None:
    # A process of its own: tests declare support, too, and would be in the document.
    root = Path(support_matrix.__file__).parent.parent
    check = subprocess.run(
        [sys.executable, "-m", "tools.support_matrix", "--check"], cwd=root, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


def test_writing_and_checking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(support_matrix, "TARGET", tmp_path / "support.md")
    assert support_matrix.main(["--check"]) == 1
    assert "make support" in capsys.readouterr().err
    assert support_matrix.main([]) == 0
    assert support_matrix.main(["--check"]) == 0
    text = (tmp_path / "support.md").read_text()
    assert "### envoy.config.cluster.v3.Cluster" in text
    assert "- honoured: `name`" in text
