"""docs/support.md from the support table: `python -m tools.support_matrix` writes it, `--check` says whether it is current.

Every module that declares support is imported; what they declared is what the data plane refuses or takes, so the document cannot be wrong.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import dataplane.compile
from dataplane.api import registry
from dataplane.compile.message_types import message_class
from dataplane.compile.support import MessageSupport, declared

TARGET = Path(__file__).parent.parent / "docs" / "support.md"

_HEAD = """# What is supported

Made by `make support` from the declarations beside the code that reads each message; do not edit.

Whatever a configuration sets and this page does not list is refused with its place, never skipped: an unknown field, a field under
"refused", a message that is not here at all, an extension whose type is not in the table. Fields "without effect" may be set; the reason
stands behind them. What stands inside an `Any` may also be written as a `udpa.type.v1.TypedStruct` or `xds.type.v3.TypedStruct`.
"""


def document() -> str:
    """The whole page."""
    registrations = registry.load_all()
    for module in pkgutil.iter_modules(dataplane.compile.__path__, "dataplane.compile."):
        importlib.import_module(module.name)
    entries = list(declared())
    parts = [_HEAD, "## Extensions\n", *_extensions(registrations), "## Messages and their fields\n"]
    parts += [_message(entry) for entry in entries]
    return "\n".join(parts)


def _extensions(registrations: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield "| category | type |\n|---|---|\n" + "".join(f"| `{kind}` | `{message}` |\n" for kind, message in sorted(registrations))


def _message(entry: MessageSupport) -> str:
    message = message_class(entry.full_name)
    assert message is not None, entry.full_name
    fields = [field.name for field in message.DESCRIPTOR.fields]
    honoured = [_honoured(name, entry) for name in fields if name in entry.supported]
    without_effect = [f"`{name}` ({entry.ignored[name]})" for name in fields if name in entry.ignored]
    refused = [f"`{name}`" for name in fields if name not in entry.supported and name not in entry.ignored]
    lines = [f"### {entry.full_name}\n"]
    for title, items in (("honoured", honoured), ("without effect", without_effect), ("refused", refused)):
        if items:
            lines.append(f"- {title}: {', '.join(items)}")
    if not fields:
        lines.append("- has no fields")
    return "\n".join(lines) + "\n"


def _honoured(name: str, entry: MessageSupport) -> str:
    values = entry.values.get(name)
    return f"`{name}` ({', '.join(sorted(values))})" if values else f"`{name}`"


def main(arguments: list[str]) -> int:
    text = document()
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET} is out of date: run `make support`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
