"""The soaked proxy as a child process, with a leak planted in it where one is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.our_process import our_command
from tests.support.proxy_process import ProxyProcess

PLANTS: Final = ("objects", "heap", "descriptors", "tasks", "connections")
"""What can be planted (tests/soak/planted.py)."""

_PROGRAM: Final = Path(__file__).with_name("planted.py")


def soaked_process(bootstrap: Mapping[str, Any], directory: Path, planted: Sequence[str] = (), amount: int = 10) -> ProxyProcess:
    """planted: of PLANTS.  amount: objects, and hundreds of bytes, that each generation leaves behind."""
    command = our_command()
    if planted:
        module = command.index("-m")
        command[module : module + 2] = [str(_PROGRAM), ",".join(planted), str(amount)]
    return ProxyProcess(command, bootstrap, directory, "dataplane")
