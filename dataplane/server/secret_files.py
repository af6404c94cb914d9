"""Files that discovered secrets name: read again after a move into their directory.

Only a move is a signal, as for every watched file.  A pair that cannot be used is counted, and what was in use before stays; certificate
and key that are moved one after the other do not fit for a moment, and do after the second move.
Static secrets are read once, as in Envoy.
Envoy: SdsApi::loadFiles, stats sds.<name>.key_rotation_failed.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from dataplane.base.errors import ConfigError, InvalidResource
from dataplane.server.resources import Resource
from dataplane.snapshot.secret import directories_of
from dataplane.xds.inotify import DirectoryWatcher
from dataplane.xds.types import SECRET

if TYPE_CHECKING:
    from dataplane.observe.stats import Counter, StatsStore
    from dataplane.server.configuration import Configuration
    from dataplane.xds.messages import Decoder

log = logging.getLogger("config")


class SecretFiles:
    """Stands between the xDS client and the configuration.  Implements xds.client.UpdateListener; lives in one event loop."""

    def __init__(self, configuration: Configuration, decode: Decoder, stats: StatsStore) -> None:
        self._configuration = configuration
        self._decode = decode
        self._stats = stats
        self._watcher: DirectoryWatcher | None = None
        self._directories: set[str] = set()  # those that are watched, for good
        self._secrets: dict[str, tuple[Resource, str]] = {}  # with files, and the version that brought them

    def on_update(self, type_url: str, changed: Mapping[str, object], removed: Collection[str], version_info: str) -> None:
        self._configuration.on_update(type_url, changed, removed, version_info)
        if type_url == SECRET:
            for name in removed:
                self._secrets.pop(name, None)
            for name, resource in changed.items():
                assert isinstance(resource, Resource)
                self._follow(name, resource, version_info)

    def on_settled(self, type_url: str, name: str | None) -> None:
        self._configuration.on_settled(type_url, name)

    def close(self) -> None:
        if self._watcher is not None:
            self._watcher.close()

    def _follow(self, name: str, resource: Resource, version_info: str) -> None:
        directories = directories_of(resource.value)
        if not directories:
            self._secrets.pop(name, None)
            return
        self._secrets[name] = (resource, version_info)
        self._failures(name).inc(0)
        for directory in directories - self._directories:
            self._watch(directory)

    def _failures(self, name: str) -> Counter:
        return self._stats.scope(f"sds.{name}.").counter("key_rotation_failed")

    def _watch(self, directory: str) -> None:
        if self._watcher is None:
            self._watcher = DirectoryWatcher()
        try:
            self._watcher.watch(directory, lambda moved: self._on_move(directory))
        except ConfigError as error:
            log.warning("%s", error)
        else:
            self._directories.add(directory)

    def _on_move(self, directory: str) -> None:
        for name, (resource, version_info) in list(self._secrets.items()):
            if name not in self._configuration.discovered.resources[SECRET]:
                del self._secrets[name]  # nobody asks for it any more
            elif directory in directories_of(resource.value):
                self._reload(name, resource, version_info)

    def _reload(self, name: str, before: Resource, version_info: str) -> None:
        try:
            resource = self._decode(SECRET, before.body).value
        except InvalidResource as error:
            self._failures(name).inc()
            log.warning("the files of secret %s cannot be used, what was in use before stays: %s", name, error)
            return
        assert isinstance(resource, Resource)
        if resource.value != before.value:
            self._secrets[name] = (resource, version_info)
            self._configuration.on_update(SECRET, {name: resource}, (), version_info)
