"""`python -m controlplane`."""

from __future__ import annotations

from controlplane.cli import main

main(prog_name="controlplane")
