"""`python -m dataplane.server.workers N`: a worker on descriptor N.  Started by the main process only (spawn)."""

from __future__ import annotations

import sys

from dataplane.server.workers.worker import main

if __name__ == "__main__":
    main(int(sys.argv[1]))
