"""Requests that a web page made, not an operator: refused, because a page the operator looks at must not change configuration.

Here: the rule.  Not here: the middleware that applies it (rest).
A page can reach a loopback port in two ways.  From its own origin: then the browser sends an Origin that is not ours.  By a name of its
own that resolves to 127.0.0.1: then the Host is that name; it matters only where no token would stop the page.
"""

from __future__ import annotations

import ipaddress

from yarl import URL


def is_foreign(host: str, origin: str | None, *, any_host: bool) -> bool:
    """host, origin: the request's headers.  any_host: names other than localhost may lead here."""
    try:
        if origin is not None and URL(origin).authority != host:
            return True
        name = URL(f"http://{host}").host or ""
    except ValueError:
        return True
    return not (any_host or _is_literal(name))


def _is_literal(name: str) -> bool:
    """An address cannot be made to resolve to another one."""
    if name == "localhost":
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
