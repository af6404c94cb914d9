"""The bootstrap of the command line: read, completed by flags, and checked.  For serving and for `--mode validate`."""

from __future__ import annotations

from dataplane.bootstrap.load import BootstrapError, LoadedBootstrap, load
from dataplane.server.options import Options
from dataplane.validation import Problem, check_bootstrap, load_problems


class InvalidBootstrap(Exception):
    """It cannot be served.  problems: every reason, never empty."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


def load_bootstrap(options: Options) -> LoadedBootstrap:
    """Raises InvalidBootstrap."""
    try:
        loaded = load(options.config_path or None, options.config_yaml or None, options.allow_unknown_static_fields)
    except BootstrapError as error:
        raise InvalidBootstrap(load_problems(error)) from error
    node = loaded.message.node
    node.id = node.id or options.service_node
    node.cluster = node.cluster or options.service_cluster
    if options.service_zone and not node.locality.zone:
        node.locality.zone = options.service_zone
    problems = check_bootstrap(loaded)
    if problems:
        raise InvalidBootstrap(problems)
    return loaded
