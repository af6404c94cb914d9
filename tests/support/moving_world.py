"""A configuration that moves as a whole from revision to revision: every revision has a cluster name of its own.

The answer to a request shows which revision routed it (header x-revision, set by the route) and which upstream served it, so that
a request that saw half of an update is found out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.load import Answer
from tests.support.origin import Origin
from tests.support.waiting import PATIENCE, wait_until_async
from tests.support.xds_resources import eds_cluster, endpoints, rds_listener, routes

LISTENER_NAME = "moving"


def messages(revision: int, origins: Sequence[Origin]) -> list[Any]:
    """Everything of one revision; revisions take the origins in turn."""
    cluster = f"cluster-{revision}"
    origin = origins[revision % len(origins)]
    stamp = {"header": {"key": "x-revision", "value": str(revision)}}
    return [
        rds_listener(LISTENER_NAME, "moving-routes"),
        routes("moving-routes", cluster, response_headers_to_add=[stamp]),
        eds_cluster(cluster),
        endpoints(cluster, origin.port),
    ]


class Witness:
    """Checks answers of a moving world, and remembers the revisions they came from."""

    def __init__(self, origins: Sequence[Origin]) -> None:
        self._origins = origins
        self.revisions: set[int] = set()

    async def sees(self, revision: int, timeout: float = PATIENCE) -> None:
        """Return once an answer came from *revision*."""
        await wait_until_async(lambda: revision in self.revisions, f"revision {revision} in use", timeout)

    def __call__(self, answer: Answer) -> str | None:
        if answer.status != 200:
            return str(answer)
        revision = int(answer.headers["x-revision"])
        self.revisions.add(revision)
        allowed = self._origins[revision % len(self._origins)].name
        if answer.body.decode() != allowed:
            return f"revision {revision} was answered by {answer.body!r} instead of {allowed}"
        return None
