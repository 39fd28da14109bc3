"""This machine and the container around us: psutil, pressure and cgroup files.

Every figure that the machine does not have is left out; none is made up as 0.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from collector import cgroup
from collector.failure import CollectFailure, Failure
from collector.sidethread import SideThread, StillBusyError
from collector.source import TARGET, Collected
from storage.history import Samples
from storage.series import NAME, Labels

Reading = tuple[str, Mapping[str, str], float]
"""Metric, labels, value."""

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
"""Without `guest`: the kernel counts that time under `user` as well."""

READ_ONLY_KINDS = frozenset({"squashfs", "iso9660", "erofs", "cramfs", "udf"})
"""Images: always full, and nothing can be done about it."""

SHORT_LIVED_DEVICES = ("veth", "cali", "lxc", "tap")


class Host:
    """The machine Plimsoll runs on, as the target `host`."""

    kind = "host"
    name = "host"
    immediate = True

    def __init__(
        self, interval_seconds: float, timeout_seconds: float, root: Path = Path("/")
    ) -> None:
        self.interval_seconds = interval_seconds
        self.timeout_seconds = timeout_seconds
        self._root = root
        # A file system that hangs must not take the event loop with it.
        self._thread = SideThread("plimsoll-host")

    async def collect(self, at_ms: int) -> Collected:
        """All figures of this moment."""
        try:
            found = await self._thread.run(lambda: list(readings(self._root)))
        except StillBusyError:
            raise CollectFailure(
                Failure.TIMEOUT, "the previous reading has not come back; does a disk hang?"
            ) from None
        series = [Labels.of(labels, **{NAME: name, TARGET: self.name}) for name, labels, _ in found]
        return Collected(Samples.at(series, at_ms, [value for *_, value in found]))

    async def close(self) -> None:
        """Nothing is held."""


def readings(root: Path) -> Iterator[Reading]:
    """Everything that this machine tells; pressure and container files are read below `root`."""
    container = cgroup.read(root)
    yield from _processor()
    yield from _memory(container)
    yield from _pressure(root)
    yield from _container(container)
    yield from _disks()
    yield from _file_systems()
    yield from _network()


def _processor() -> Iterator[Reading]:
    times = psutil.cpu_times()
    for mode in CPU_MODES:
        seconds = getattr(times, mode, None)
        if seconds is not None:
            yield "host_cpu_seconds_total", {"mode": mode}, float(seconds)
    count = os.cpu_count()
    if count is not None:
        yield "host_cpu_count", {}, float(count)
    yield "host_load1", {}, os.getloadavg()[0]


def _memory(container: cgroup.Container) -> Iterator[Reading]:
    memory = psutil.virtual_memory()
    yield "host_memory_available_bytes", {}, float(memory.available)
    yield "host_memory_used_bytes", {}, float(memory.total - memory.available)
    yield "host_memory_usage_ratio", {}, 1 - memory.available / memory.total
    yield "host_memory_limit_bytes", {"source": "host"}, float(memory.total)
    if container.memory_limit_bytes is not None:
        yield "host_memory_limit_bytes", {"source": "cgroup"}, container.memory_limit_bytes


def _pressure(root: Path) -> Iterator[Reading]:
    for resource, seconds in cgroup.pressure(root).items():
        labels = {"resource": resource}
        if "some" in seconds:
            yield "host_pressure_waiting_seconds_total", labels, seconds["some"]
        if "full" in seconds:
            yield "host_pressure_stalled_seconds_total", labels, seconds["full"]


def _container(container: cgroup.Container) -> Iterator[Reading]:
    limit, used = container.memory_limit_bytes, container.memory_working_set_bytes
    figures = {
        "container_cpu_seconds_total": container.cpu_seconds,
        "container_cpu_limit_cores": container.cpu_limit_cores,
        "container_cpu_periods_total": container.cpu_periods,
        "container_cpu_throttled_periods_total": container.cpu_throttled_periods,
        "container_cpu_throttled_seconds_total": container.cpu_throttled_seconds,
        "container_memory_working_set_bytes": used,
        "container_memory_usage_ratio": used / limit if used is not None and limit else None,
        "container_oom_kills_total": container.oom_kills,
    }
    for name, value in figures.items():
        if value is not None:
            yield name, {}, value
    for resource, seconds in container.pressure.items():
        labels = {"resource": resource}
        if "some" in seconds:
            yield "container_pressure_waiting_seconds_total", labels, seconds["some"]
        if "full" in seconds:
            yield "container_pressure_stalled_seconds_total", labels, seconds["full"]


def _disks() -> Iterator[Reading]:
    counters = psutil.disk_io_counters(perdisk=True) or {}
    for device, counter in counters.items():
        # Partitions are part of their disk; loop devices and memory are none.
        whole = Path("/sys/block", device.replace("/", "!")).exists()
        busy_ms = getattr(counter, "busy_time", None)
        if whole and busy_ms is not None and not device.startswith(("loop", "ram", "zram")):
            yield "host_disk_io_seconds_total", {"device": device}, busy_ms / 1000


def _file_systems() -> Iterator[Reading]:
    for mountpoint in mountpoints():
        try:
            usage = os.statvfs(mountpoint)
        except OSError:  # not allowed, or just unmounted
            continue
        available = usage.f_bavail * usage.f_frsize
        used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
        labels = {"mountpoint": mountpoint}
        yield "host_filesystem_avail_bytes", labels, float(available)
        if used + available > 0:
            # As df counts: what is reserved for root is neither used nor available.
            yield "host_filesystem_usage_ratio", labels, used / (used + available)


def mountpoints() -> list[str]:
    """Where disks are mounted: each device once, at its shortest path, and the root always."""
    shortest: dict[str, str] = {}
    for partition in psutil.disk_partitions(all=False):
        path = partition.mountpoint
        if partition.fstype in READ_ONLY_KINDS or not os.path.isdir(path):
            continue  # containers mount single files, /etc/hosts for one
        known = shortest.setdefault(partition.device, path)
        shortest[partition.device] = min(known, path, key=lambda name: (len(name), name))
    return sorted({"/", *shortest.values()})


def _network() -> Iterator[Reading]:
    for device, counter in psutil.net_io_counters(pernic=True).items():
        if device == "lo" or device.startswith(SHORT_LIVED_DEVICES):
            continue
        for direction, count in (
            ("receive", counter.bytes_recv),
            ("transmit", counter.bytes_sent),
        ):
            labels = {"device": device, "direction": direction}
            yield "host_network_bytes_total", labels, float(count)
