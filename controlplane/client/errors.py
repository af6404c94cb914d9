"""What can go wrong between a client and its control plane."""

from __future__ import annotations

from controlplane.api.v1 import management_pb2 as api


class ClientError(Exception):
    """Base of what the client raises."""


class Unreachable(ClientError):
    """No answer, or one that is not the control plane's."""


class Rejected(ClientError):
    """The control plane said no.  code: `invalid`, `not_found`, `conflict`, `unauthenticated` …; problems: every reason."""

    def __init__(self, refusal: api.Refusal) -> None:
        super().__init__(refusal.message)
        self.code = refusal.code
        self.problems = tuple(refusal.problems)
