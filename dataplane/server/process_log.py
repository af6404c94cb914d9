"""The process's log as the command line and the bootstrap want it; the same in every process."""

from __future__ import annotations

from dataplane.observe import log
from dataplane.server.options import Options


def configure_log(options: Options, pattern: str = "") -> None:
    """pattern: of the bootstrap, which the command line overrides."""
    log.configure(
        log.level_number(options.log_level),
        log.parse_component_levels(options.component_log_level),
        options.log_format or pattern or log.DEFAULT_PATTERN,
        path=options.log_path,
    )
