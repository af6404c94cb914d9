"""Dates in access logs: strftime with Envoy's fractions of a second.

Here: compiling a time format.  Envoy: `%START_TIME(%Y/%m/%dT%H:%M:%S.%3f)%`: %s seconds since the epoch, %f nanoseconds, %1f to %9f digits.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

TimeFormat = Callable[[float], str]

_FRACTION: Final = re.compile(r"%(?:([1-9])f|f|E([0-9])S|s|%|[a-zA-Z])")


def iso_milliseconds(wall: float) -> str:
    """The default: `2026-01-31T12:34:56.789Z`, UTC."""
    milliseconds = int(wall * 1000)
    return f"{iso_second(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=4)
def iso_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def compile_time_format(text: str, *, local: bool) -> TimeFormat:
    """Make a function from calendar seconds to text.  local: in the time zone of the process, else UTC."""
    pieces = _split(text)
    broken_down = time.localtime if local else time.gmtime

    def render(wall: float) -> str:
        seconds = int(wall)
        nanoseconds = int((wall - seconds) * 1_000_000_000)
        moment = broken_down(seconds)
        out = ""
        for kind, value in pieces:
            if kind == "strftime":
                out += time.strftime(value, moment)
            elif kind == "epoch":
                out += str(seconds)
            elif kind == "fraction":
                out += f"{nanoseconds:09d}"[: int(value)]
            else:
                out += time.strftime("%S.", moment) + f"{nanoseconds:09d}"[: int(value)]
        return out

    return render


def _split(text: str) -> list[tuple[str, str]]:
    pieces: list[tuple[str, str]] = []
    plain = ""
    position = 0
    for found in _FRACTION.finditer(text):
        plain += text[position : found.start()]
        position = found.end()
        specifier = found.group()
        piece = _piece(specifier, found)
        if piece is None:
            plain += specifier
            continue
        if plain:
            pieces.append(("strftime", plain))
            plain = ""
        pieces.append(piece)
    plain += text[position:]
    if plain:
        pieces.append(("strftime", plain))
    return pieces


def _piece(specifier: str, found: re.Match[str]) -> tuple[str, str] | None:
    """The kind of a specifier that strftime does not know; None for those it does."""
    if specifier == "%s":
        return ("epoch", "")
    if specifier == "%f":
        return ("fraction", "9")
    if found.group(1):
        return ("fraction", found.group(1))
    if found.group(2):
        return ("seconds", found.group(2))
    return None
