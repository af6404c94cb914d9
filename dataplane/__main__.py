"""`python -m dataplane`."""

from __future__ import annotations

from dataplane.cli import main

main(prog_name="dataplane")
