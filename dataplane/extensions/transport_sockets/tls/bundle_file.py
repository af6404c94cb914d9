"""A file with trust bundles, read again when it has changed.

It is looked at before a handshake, which is when it matters: one call of stat, and nothing that has to be watched, ended or told to
other processes.  What cannot be read or used leaves what was in use before.
Envoy: DataSourceProvider, which is told of changes by inotify.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Final

from dataplane.base.errors import ConfigError, FieldPath
from dataplane.compile.spiffe_bundle_map import Authorities, authorities_of

log = logging.getLogger("config")

_Stamp = tuple[int, int, int]  # which file it is, when it was written, its size


class BundleFile:
    """domains: as they are in use."""

    __slots__ = ("_path", "_seen", "domains")

    def __init__(self, path: str, domains: Authorities) -> None:
        self._path: Final = path
        # None: it may have changed since the configuration was read.
        self._seen: _Stamp | None = None
        self.domains = domains

    def renew(self) -> bool:
        """Whether `domains` are others than before."""
        stamp = _stamp(self._path)
        if stamp is None or stamp == self._seen:
            return False
        self._seen = stamp
        try:
            domains = authorities_of(Path(self._path).read_bytes(), FieldPath("trust_bundles"))
        except (ConfigError, OSError) as error:
            log.error("Failed to transform data from file '%s', what was in use before stays: %s", self._path, error)
            return False
        changed, self.domains = domains != self.domains, domains
        return changed


def _stamp(path: str) -> _Stamp | None:
    """None for a file that is away: somebody is about to replace it."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
