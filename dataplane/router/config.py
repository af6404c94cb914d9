"""Compiled `Router` filter.  Envoy: extensions.filters.http.router.v3.Router."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataplane.api.access_logger import AccessLogger


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """What was configured; router.router.RouterFactory makes it a terminal filter."""

    dynamic_stats: bool = True
    suppress_envoy_headers: bool = False
    strict_check_headers: tuple[bytes, ...] = ()  # lower case
    respect_expected_rq_timeout: bool = False
    upstream_log: tuple[AccessLogger, ...] = ()
