"""`--mode validate`: would this bootstrap start?  Every reason why not, with its line.

Exit code 0 and `configuration 'PATH' OK`, or 1 and one line per problem on stderr.
"""

from __future__ import annotations

import sys

from dataplane.bootstrap.load import BootstrapError, load
from dataplane.server.options import Options
from dataplane.validation import check_bootstrap, load_problems


def validate(options: Options) -> int:
    try:
        loaded = load(options.config_path or None, options.config_yaml or None, options.allow_unknown_static_fields)
        problems = check_bootstrap(loaded, options.service_node, options.service_cluster)
    except BootstrapError as error:
        problems = load_problems(error)
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"error initializing configuration '{options.config_path}': {len(problems)} problems", file=sys.stderr)
        return 1
    print(f"configuration '{options.config_path}' OK")
    return 0
