"""What `/config_dump` shows: records of the resources in use, of those that wait, and of versions that were refused.

Here: putting together what the configuration and the xDS client know.  Not here: messages of the admin API (admin.config_dump).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from dataplane.admin.context import ConfigRecord, Refusal
from dataplane.xds.types import CLUSTER, ENDPOINT, LISTENER, ROUTE, SCOPED_ROUTE, SECRET

if TYPE_CHECKING:
    from dataplane.server.configuration import Configuration
    from dataplane.server.resources import Resource
    from dataplane.xds.client import XdsClient


def config_records(configuration: Configuration, client: XdsClient | None) -> Iterator[ConfigRecord]:
    """Static resources first, then discovered ones, each kind in the order it came."""
    refusals = dict(_refusals(client))
    for type_url, static in ((CLUSTER, configuration.static.clusters), (LISTENER, configuration.static.listeners)):
        for resource in static.values():
            yield _record(type_url, resource, "static", None)
    for type_url in (CLUSTER, LISTENER, ROUTE):
        yield from _discovered(type_url, configuration, refusals)
    for resource in configuration.discovered.resources[ENDPOINT].values():
        yield _record(ENDPOINT, resource, "active", refusals.pop((ENDPOINT, resource.name), None))
    for resource in configuration.discovered.resources[SCOPED_ROUTE].values():
        yield _record(SCOPED_ROUTE, resource, "active", refusals.pop((SCOPED_ROUTE, resource.name), None))
    yield from _secrets(configuration, refusals)
    for (type_url, name), refusal in refusals.items():
        yield ConfigRecord(type_url, name, b"", "none", refusal=refusal)


def _secrets(configuration: Configuration, refusals: dict[tuple[str, str], Refusal]) -> Iterator[ConfigRecord]:
    """Static ones, those that came, and names that are waited for."""
    for resource in configuration.static.secrets.values():
        yield _record(SECRET, resource, "static", None)
    for resource in configuration.discovered.resources[SECRET].values():
        yield _record(SECRET, resource, "active", refusals.pop((SECRET, resource.name), None))
    plan = configuration.plan
    missing = {each.missing.name for each in plan.waiting if each.kind == "secret"} if plan is not None else set()
    for name in sorted(missing):
        yield ConfigRecord(SECRET, name, b"", "warming", refusal=refusals.pop((SECRET, name), None))


def _discovered(type_url: str, configuration: Configuration, refusals: dict[tuple[str, str], Refusal]) -> Iterator[ConfigRecord]:
    static: Mapping[str, Resource] = {CLUSTER: configuration.static.clusters, LISTENER: configuration.static.listeners}.get(
        type_url, {}
    )
    accepted = configuration.discovered.resources[type_url]
    in_use = {name: resource for name, resource in configuration.in_use[type_url].items() if static.get(name) is not resource}
    for name, resource in in_use.items():
        yield _record(type_url, resource, "active", refusals.pop((type_url, name), None))
    for name, resource in accepted.items():
        used = in_use.get(name)
        if used is None or used.value is not resource.value:
            yield _record(type_url, resource, "warming", refusals.pop((type_url, name), None))


def _record(type_url: str, resource: Resource, state: str, refusal: Refusal | None) -> ConfigRecord:
    return ConfigRecord(type_url, resource.name, resource.body, state, resource.version, resource.updated_wall, refusal)


def _refusals(client: XdsClient | None) -> Iterator[tuple[tuple[str, str], Refusal]]:
    if client is None:
        return
    for status in client.status():
        for resource in status.resources.values():
            error = resource.error_state
            if error is not None:
                refusal = Refusal(error.details, error.version_info, error.last_update_attempt, error.failed_configuration)
                yield (status.type_url, resource.name), refusal
