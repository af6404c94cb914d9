"""`--mode validate`: would this bootstrap start?  Every reason why not, with its line.

Exit code 0 and `configuration 'PATH' OK`, or 1 and one line per problem on stderr.
"""

from __future__ import annotations

import sys

from dataplane.server.loading import InvalidBootstrap, load_bootstrap
from dataplane.server.options import Options


def validate(options: Options) -> int:
    try:
        load_bootstrap(options)
    except InvalidBootstrap as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        print(f"error initializing configuration '{options.config_path}': {error}", file=sys.stderr)
        return 1
    print(f"configuration '{options.config_path}' OK")
    return 0
