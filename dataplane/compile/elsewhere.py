"""Whether the machine that compiles is the one that will use the result.

A control plane checks what proxies on other machines will use: files and environment variables that a configuration names are theirs.
Looked up here they would tell an API user what there is on this machine, hang it on a pipe, and refuse what is right over there.  Inside of
`elsewhere()` nothing of the machine is touched: who would look raises NotKnownHere (`only_local`), and what depends on it is not judged.

A context variable and not a parameter: whoever compiles a message with a DataSource in it, an extension too, cannot forget to pass it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from dataplane.base.errors import NotKnownHere

_ELSEWHERE: Final = ContextVar("elsewhere", default=False)


@contextmanager
def elsewhere() -> Iterator[None]:
    """What is compiled in this block is meant for other machines."""
    token = _ELSEWHERE.set(True)
    try:
        yield
    finally:
        _ELSEWHERE.reset(token)


def is_elsewhere() -> bool:
    """Whether the configuration is meant for another machine than this."""
    return _ELSEWHERE.get()


def only_local(what: str) -> None:
    """Call before touching *what*, a file or an environment variable.  Raises NotKnownHere where it is another machine's."""
    if is_elsewhere():
        raise NotKnownHere(what)
