"""`/quitquitquit`, `/drain_listeners`, `/healthcheck/*`, `/reset_counters`, `/reopen_logs`: what changes the process.  All are POST."""

from __future__ import annotations

from aiohttp import web

from dataplane.admin import reply
from dataplane.admin.context import AdminContext


def quitquitquit(context: AdminContext, request: web.Request) -> web.Response:
    context.lifecycle.quit()
    return reply.text("OK\n")


def drain_listeners(context: AdminContext, request: web.Request) -> web.Response:
    """graceful: keep listening for the drain time.  inboundonly: only listeners of that direction.  skip_exit: drain, but stay open."""
    context.lifecycle.drain_listeners(
        graceful=reply.flag(request, "graceful"),
        inbound_only=reply.flag(request, "inboundonly"),
        skip_exit=reply.flag(request, "skip_exit"),
    )
    return reply.text("OK\n")


def healthcheck_fail(context: AdminContext, request: web.Request) -> web.Response:
    context.lifecycle.fail_health_check(True)
    return reply.text("OK\n")


def healthcheck_ok(context: AdminContext, request: web.Request) -> web.Response:
    context.lifecycle.fail_health_check(False)
    return reply.text("OK\n")


def reset_counters(context: AdminContext, request: web.Request) -> web.Response:
    (context.reset_counters or context.stats.reset_counters)()
    return reply.text("OK\n")


def reopen_logs(context: AdminContext, request: web.Request) -> web.Response:
    context.lifecycle.reopen_logs()
    return reply.text("OK\n")
