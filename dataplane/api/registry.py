"""Extensions by kind and type URL, found by where their file is and imported on first use.

`envoy.extensions.filters.http.router.v3.Router` lives in `dataplane/extensions/filters/http/router.py`: the type URL without
`envoy.extensions.`, version and message name.  The files are listed once, so the network can only choose among what we ship.
Spec: house rule "one more extension = one more file"; exceptions to the path rule are in `extensions/aliases.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

TYPE_PREFIX: Final = "type.googleapis.com/"
_PACKAGE: Final = "dataplane.extensions"

Compile = TypeVar("Compile", bound=Callable[..., Any])

_compilers: dict[tuple[str, str], Callable[..., Any]] = {}
_terminal: set[tuple[str, str]] = set()


def extension(kind: str, message: str, *, terminal: bool = False) -> Callable[[Compile], Compile]:
    """Register a compile function for the configuration *message* (full name) in category *kind* (`envoy.filters.http` ...).

    terminal: a filter that takes all there is, so that none may stand behind it.
    """

    def register(compile_config: Compile) -> Compile:
        key = (kind, message)
        if key in _compilers:
            raise ValueError(f"{kind}: {message} is registered twice")
        _compilers[key] = compile_config
        if terminal:
            _terminal.add(key)
        return compile_config

    return register


def is_terminal(kind: str, message: str) -> bool:
    """Whether the extension, which was found before, was registered as terminal."""
    return (kind, message) in _terminal


def find(kind: str, message: str) -> Callable[..., Any] | None:
    """The compile function for *message* as a *kind*, or None where we have none."""
    found = _compilers.get((kind, message))
    if found is None and (module := module_of(message)) is not None:
        importlib.import_module(module)
        found = _compilers.get((kind, message))
    return found


def module_of(message: str) -> str | None:
    """The module that would hold the extension configured by *message*, if we ship it."""
    aliases: Mapping[str, str] = importlib.import_module(f"{_PACKAGE}.aliases").MODULES
    path = aliases.get(message)
    if path is None:
        parts = message.removeprefix("envoy.extensions.").split(".")
        if len(parts) < 3 or not message.startswith("envoy.extensions."):
            return None
        path = ".".join(parts[:-2])
    name = f"{_PACKAGE}.{path}"
    return name if name in _shipped() else None


def load_all() -> Mapping[tuple[str, str], Callable[..., Any]]:
    """Import every extension and return all registrations: for the support matrix and for tests."""
    for module in sorted(_shipped()):
        importlib.import_module(module)
    return dict(_compilers)


@cache
def _shipped() -> frozenset[str]:
    package = importlib.import_module(_PACKAGE)
    return frozenset(module.name for module in pkgutil.walk_packages(package.__path__, f"{_PACKAGE}."))
