"""The proxy under test: ours, or with POINTSMAN_SUBJECT=envoy a real Envoy, which shows whether a test asks for something real."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.envoy_process import envoy_process
from tests.support.our_process import our_process
from tests.support.proxy_process import ProxyProcess

IS_ENVOY = os.environ.get("POINTSMAN_SUBJECT") == "envoy"


def subject_process(bootstrap: Mapping[str, Any], directory: Path, *flags: str, name: str = "proxy") -> ProxyProcess:
    """A proxy that is not started yet."""
    start = envoy_process if IS_ENVOY else our_process
    return start(bootstrap, directory, *flags, name=name)
