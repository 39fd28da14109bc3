"""The container around this process, from cgroup files of version 1, 2 or a mix of both.

An absent file is an absent figure, and "no limit" is not "0 % throttled": without a limit nothing
is said about throttling. A machine that is throttled looks idle by its CPU seconds alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

V1_UNLIMITED_BYTES = 1 << 60
"""Version 1 writes `no limit` as the largest number of whole pages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What the cgroup files say; None where they say nothing."""

    cpu_seconds: float | None = None
    cpu_limit_cores: float | None = None
    cpu_periods: float | None = None
    cpu_throttled_periods: float | None = None
    cpu_throttled_seconds: float | None = None
    memory_limit_bytes: float | None = None
    memory_working_set_bytes: float | None = None
    oom_kills: float | None = None
    pressure: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """As `pressure` gives it for the machine; version 2 only."""


def read(root: Path) -> Container:
    """The container of this process, below `root` (`/` but in tests)."""
    groups = _groups(root)
    cpu = _cpu(groups.get("", []), groups.get("cpu", []))
    memory = _memory(groups.get("", []), groups.get("memory", []))
    usage = _usage(groups.get("", []), groups.get("cpuacct", []) + groups.get("cpu", []))
    return Container(**cpu, **memory, **usage, pressure=_own_pressure(groups.get("", [])))


def _groups(root: Path) -> dict[str, list[Path]]:
    """For each controller of version 1, and for version 2 (an empty name), where to look first.

    /proc/self/cgroup names the path as the host sees it; inside a container the same files often
    stand at the mount itself.
    """
    mount = root / "sys/fs/cgroup"
    found: dict[str, list[Path]] = {}
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inner = path.strip().lstrip("/")
        if controllers == "":
            places = [mount / inner, mount, mount / "unified" / inner, mount / "unified"]
            found[""] = places
            continue
        for name in controllers.split(","):
            bases = [mount / controllers, mount / name]
            found[name] = [base / inner for base in bases] + bases
    return found


def _cpu(v2: list[Path], v1: list[Path]) -> dict[str, float | None]:
    for place in v2:
        limit = _text(place / "cpu.max").split()
        if limit:
            stat = _pairs(place / "cpu.stat") if limit[0] != "max" else {}
            cores = _cores(*limit[:2]) if len(limit) >= 2 else None
            return _throttling(stat, stat.get("throttled_usec"), 1e-6, cores)
    for place in v1:
        quota = _number(place / "cpu.cfs_quota_us")
        if quota is not None:
            stat = _pairs(place / "cpu.stat") if quota > 0 else {}
            cores = _cores(str(int(quota)), _text(place / "cpu.cfs_period_us").strip())
            return _throttling(stat, stat.get("throttled_time"), 1e-9, cores)
    return {}


def _cores(quota_usec: str, period_usec: str) -> float | None:
    """How many processors' time may be taken; None without a limit (`max`, or -1)."""
    if not (quota_usec.isdigit() and period_usec.isdigit()) or int(period_usec) == 0:
        return None
    return int(quota_usec) / int(period_usec)


def _usage(v2: list[Path], v1: list[Path]) -> dict[str, float | None]:
    """Processor time. The root of all groups is no container, and has no file for a limit."""
    for place in v2:
        if (place / "cpu.max").exists():
            usec = _pairs(place / "cpu.stat").get("usage_usec")
            return {"cpu_seconds": None if usec is None else usec * 1e-6}
    for place in v1:
        nsec = _number(place / "cpuacct.usage")
        if nsec is not None and (place / "cpu.cfs_quota_us").exists():
            return {"cpu_seconds": nsec * 1e-9}
    return {}


def _own_pressure(v2: list[Path]) -> dict[str, dict[str, float]]:
    for place in v2:
        if (place / "cpu.max").exists():
            return _pressure(place, ".pressure")
    return {}


def _throttling(
    stat: dict[str, float], throttled: float | None, unit: float, cores: float | None
) -> dict[str, float | None]:
    return {
        "cpu_limit_cores": cores,
        "cpu_periods": stat.get("nr_periods"),
        "cpu_throttled_periods": stat.get("nr_throttled"),
        "cpu_throttled_seconds": None if throttled is None else throttled * unit,
    }


def _memory(v2: list[Path], v1: list[Path]) -> dict[str, float | None]:
    for place in v2:
        usage = _number(place / "memory.current")
        if usage is not None:
            idle = _pairs(place / "memory.stat").get("inactive_file")
            return {
                "memory_limit_bytes": _number(place / "memory.max"),
                "memory_working_set_bytes": None if idle is None else max(0.0, usage - idle),
                "oom_kills": _pairs(place / "memory.events").get("oom_kill"),
            }
    for place in v1:
        usage = _number(place / "memory.usage_in_bytes")
        if usage is not None:
            idle = _pairs(place / "memory.stat").get("total_inactive_file")
            limit = _number(place / "memory.limit_in_bytes")
            return {
                "memory_limit_bytes": (
                    limit if limit is not None and limit < V1_UNLIMITED_BYTES else None
                ),
                "memory_working_set_bytes": None if idle is None else max(0.0, usage - idle),
                "oom_kills": _pairs(place / "memory.oom_control").get("oom_kill"),
            }
    return {}


def pressure(root: Path) -> dict[str, dict[str, float]]:
    """Seconds that work waited (`some`) or stood still (`full`) for each resource, so far."""
    return _pressure(root / "proc/pressure", "")


def _pressure(folder: Path, ending: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for resource in ("cpu", "io", "memory"):
        for line in _text(folder / (resource + ending)).splitlines():
            kind, *fields = line.split()
            for one in fields:
                name, _, value = one.partition("=")
                if name == "total" and value.isdigit():
                    found.setdefault(resource, {})[kind] = int(value) * 1e-6
    return found


def _text(path: Path) -> str:
    # Reading may fail even where the file is there: PSI answers EOPNOTSUPP when switched off.
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> float | None:
    text = _text(path).strip()
    try:
        return float(int(text))
    except ValueError:  # absent, or "max"
        return None


def _pairs(path: Path) -> dict[str, float]:
    """Lines of a name and a number."""
    pairs: dict[str, float] = {}
    for line in _text(path).splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdigit():
            pairs[name] = float(value)
    return pairs
