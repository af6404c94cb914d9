"""For programs and people that use a control plane: a Python client, and the command `pointsman` on top of it.

It talks to the REST API and imports nothing of the server.
"""

from __future__ import annotations

from controlplane.client.client import Client, ConfiguredResource, Writing
from controlplane.client.errors import ClientError, Rejected, Unreachable
from controlplane.client.resources import Document
from controlplane.client.sync import SyncClient
from controlplane.client.waiting import NotReady, Progress, wait_ready

__all__ = [
    "Client",
    "ClientError",
    "ConfiguredResource",
    "Document",
    "NotReady",
    "Progress",
    "Rejected",
    "SyncClient",
    "Unreachable",
    "Writing",
    "wait_ready",
]
