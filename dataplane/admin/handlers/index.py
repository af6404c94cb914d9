"""`/` and `/help`: what the admin endpoint can do."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.admin.server import Command


def help_text(commands: Sequence[Command]) -> str:
    lines = [f"  {command.path}{' (POST)' if command.changes else ''}: {command.purpose}\n" for command in commands]
    return "admin commands are:\n" + "".join(lines)


def home(commands: Sequence[Command]) -> str:
    """A page of links; what changes the process is a button, since it is a POST."""
    rows = ""
    for command in commands:
        path = escape(command.path)
        link = f'<a href="{path}">{path}</a>'
        button = f'<form action="{path}" method="post"><button>{path}</button></form>'
        rows += f"<tr><td>{button if command.changes else link}</td><td>{escape(command.purpose)}</td></tr>\n"
    return f"<!DOCTYPE html>\n<html><head><title>Pointsman admin</title></head><body><table>\n{rows}</table></body></html>\n"
