"""The log of ejections: one line of JSON for each host that is ejected, would be, or is taken back.

Here: the lines.  Not here: when there is one (outlier), the file's writer (observe.log_file).
Envoy: bootstrap ClusterManager.outlier_detection.event_log_path, data.cluster.v3.OutlierDetectionEvent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dataplane.observe.timestamps import iso_milliseconds
from dataplane.resilience.outlier import Ejection

if TYPE_CHECKING:
    from dataplane.observe.log_file import LogFile
    from dataplane.resilience.outlier import Interval
    from dataplane.upstream.outlier import HostMonitor

_TYPES: Final = {
    Ejection.CONSECUTIVE_5XX: "CONSECUTIVE_5XX",
    Ejection.CONSECUTIVE_GATEWAY_FAILURE: "CONSECUTIVE_GATEWAY_FAILURE",
    Ejection.CONSECUTIVE_LOCAL_ORIGIN_FAILURE: "CONSECUTIVE_LOCAL_ORIGIN_FAILURE",
    Ejection.SUCCESS_RATE: "SUCCESS_RATE",
    Ejection.LOCAL_ORIGIN_SUCCESS_RATE: "SUCCESS_RATE_LOCAL_ORIGIN",
    Ejection.FAILURE_PERCENTAGE: "FAILURE_PERCENTAGE",
    Ejection.LOCAL_ORIGIN_FAILURE_PERCENTAGE: "FAILURE_PERCENTAGE_LOCAL_ORIGIN",
}


class OutlierLog:
    """Of all clusters of a process."""

    __slots__ = ("_file", "_wall")

    def __init__(self, file: LogFile, wall: Callable[[], float] = time.time) -> None:
        self._file = file
        self._wall = wall

    def ejected(
        self, cluster: str, monitor: HostMonitor, since: float | None, ejection: Ejection, enforced: bool, judged: Interval | None
    ) -> None:
        """enforced: or else only detected.  since: seconds since the host was taken back, None where it never was."""
        self._write(cluster, monitor, since, _TYPES[ejection], "EJECT", enforced, _reason(monitor, ejection, judged))

    def taken_back(self, cluster: str, monitor: HostMonitor, since: float | None) -> None:
        """As Envoy, the type is the first there is, whatever the host was ejected for.  since: seconds since it was."""
        self._write(cluster, monitor, since, _TYPES[Ejection.CONSECUTIVE_5XX], "UNEJECT", False, {})

    def _write(
        self,
        cluster: str,
        monitor: HostMonitor,
        since: float | None,
        kind: str,
        action: str,
        enforced: bool,
        reason: dict[str, object],
    ) -> None:
        line: dict[str, object] = {"type": kind, "timestamp": iso_milliseconds(self._wall()).replace(".000Z", "Z")}
        if since is not None:
            line["secs_since_last_action"] = str(int(since))
        line |= {"cluster_name": cluster, "upstream_url": monitor.host.address.text, "action": action}
        line |= {"num_ejections": monitor.record.ejections, "enforced": enforced, **reason}
        self._file.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")


def _reason(monitor: HostMonitor, ejection: Ejection, judged: Interval | None) -> dict[str, object]:
    """judged: the interval that the host stood out in, None where it failed in a row.  Whole per cent, as Envoy."""
    if judged is None:
        return {"eject_consecutive_event": {}}
    local = ejection in (Ejection.LOCAL_ORIGIN_SUCCESS_RATE, Ejection.LOCAL_ORIGIN_FAILURE_PERCENTAGE)
    rates = {"host_success_rate": max(int((monitor.record.local if local else monitor.record.external).rate), 0)}
    if ejection in (Ejection.FAILURE_PERCENTAGE, Ejection.LOCAL_ORIGIN_FAILURE_PERCENTAGE):
        return {"eject_failure_percentage_event": rates}
    rates["cluster_average_success_rate"] = int(judged.average)
    rates["cluster_success_rate_ejection_threshold"] = int(judged.threshold)
    return {"eject_success_rate_event": rates}
