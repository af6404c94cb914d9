"""A DataSource, read once when configuration is compiled.  Envoy: config.core.v3.DataSource."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from envoy.config.core.v3.base_pb2 import DataSource, WatchedDirectory

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.elsewhere import only_local
from dataplane.compile.support import supports

supports(DataSource, "filename", "inline_bytes", "inline_string", "environment_variable", "watched_directory")

# So that a mistaken file name does not fill memory; the largest certificates and bodies are far below.
_MAX_FILE_BYTES: Final = 64 << 20


def read_data_source(source: DataSource, at: FieldPath, *, watches: bool = False) -> bytes:
    """The bytes; where nothing is set, nothing is read.  Raises NotKnownHere for another machine's files and variables.

    watches: the caller follows a file that changes.
    """
    if source.HasField("watched_directory") and not watches:
        raise ConfigError(at / "watched_directory", "is not supported by this version for this source")
    kind = source.WhichOneof("specifier")
    if kind == "inline_bytes":
        return bytes(source.inline_bytes)
    if kind == "inline_string":
        return str(source.inline_string).encode()
    if kind is None:
        return b""
    only_local(f"{at / kind}")
    if kind == "environment_variable":
        value = os.environ.get(source.environment_variable)
        if value is None:
            raise ConfigError(at / kind, f"Environment variable doesn't exist: {source.environment_variable}")
        return os.fsencode(value)
    return _read_file(source.filename, at / kind)


def directories(watched: WatchedDirectory, *sources: DataSource) -> frozenset[str]:
    """Where a move may have changed a file of *sources*: in *watched*, or else where each of them is."""
    files = [source.filename for source in sources if source.WhichOneof("specifier") == "filename"]
    if files and watched.path:
        return frozenset((watched.path,))
    return frozenset(str(Path(name).parent) for name in files)


def _read_file(name: str, at: FieldPath) -> bytes:
    try:
        with Path(name).open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(at, f"file {name} does not exist") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ConfigError(at, f"unable to read file: {name} ({error})") from None
    if len(data) > _MAX_FILE_BYTES:
        raise ConfigError(at, f"{name} has more than {_MAX_FILE_BYTES} bytes")
    return data
