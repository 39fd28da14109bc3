"""This machine, and containers as their files show them."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from collector import cgroup, host
from collector.cgroup import Container
from collector.failure import CollectFailure, Failure
from collector.host import CPU_MODES, Host, readings
from storage.series import Labels

NOW = 1_760_000_000_000
SLICE = "system.slice/shop.service"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    return root


V2 = {
    "cpu.max": "150000 100000\n",
    "cpu.stat": "usage_usec 90000000\nnr_periods 1000\nnr_throttled 50\nthrottled_usec 2500000\n",
    "memory.current": "900000\n",
    "memory.max": "1000000\n",
    "memory.stat": "anon 5\ninactive_file 100000\nactive_file 7\n",
    "memory.events": "low 0\noom 3\noom_kill 2\n",
}
V2_READ = Container(
    cpu_seconds=90,
    cpu_limit_cores=1.5,
    cpu_periods=1000,
    cpu_throttled_periods=50,
    cpu_throttled_seconds=2.5,
    memory_limit_bytes=1_000_000,
    memory_working_set_bytes=800_000,
    oom_kills=2,
)
V1_CPU = {
    "cpu.cfs_quota_us": "150000\n",
    "cpu.cfs_period_us": "100000\n",
    "cpuacct.usage": "90000000000\n",
    "cpu.stat": "nr_periods 1000\nnr_throttled 50\nthrottled_time 2500000000\n",
}
V1_MEMORY = {
    "memory.usage_in_bytes": "900000\n",
    "memory.limit_in_bytes": "1000000\n",
    "memory.stat": "inactive_file 1\ntotal_inactive_file 100000\n",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
}


def below(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        (f"/{SLICE}", f"sys/fs/cgroup/{SLICE}"),
        ("/", "sys/fs/cgroup"),
        ("/docker/4711", "sys/fs/cgroup"),  # the host's path, which the container cannot see
        ("/../../other", "sys/fs/cgroup"),
    ],
)
def test_version_2_is_read_where_its_files_are(tmp_path: Path, path: str, folder: str) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": f"0::{path}\n", **below(folder, V2)})
    assert cgroup.read(root) == V2_READ


@pytest.mark.parametrize(
    ("line", "base"),
    [
        ("4:cpu,cpuacct:/shop", "cpu,cpuacct"),
        ("4:cpu,cpuacct:/shop", "cpu"),
        ("4:cpu:/shop", "cpu"),
    ],
)
@pytest.mark.parametrize("inner", ["/shop", ""])
def test_version_1_is_read_and_its_nanoseconds_become_seconds(
    tmp_path: Path, line: str, base: str, inner: str
) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": f"{line}\n3:memory:/shop\n0::/\n",
            **below(f"sys/fs/cgroup/{base}{inner}", V1_CPU),
            **below(f"sys/fs/cgroup/memory{inner}", V1_MEMORY),
        },
    )
    assert cgroup.read(root) == V2_READ


def test_a_hybrid_is_read_file_by_file(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/self/cgroup": "3:memory:/shop\n0::/shop\n",
            **below("sys/fs/cgroup/memory/shop", V1_MEMORY),
            **below(
                "sys/fs/cgroup/unified/shop",
                {name: text for name, text in V2.items() if name.startswith("cpu")},
            ),
        },
    )
    assert cgroup.read(root) == V2_READ


def test_without_a_limit_nothing_is_said_about_throttling_or_the_limit(tmp_path: Path) -> None:
    unlimited = {**V2, "cpu.max": "max 100000\n", "memory.max": "max\n"}
    root = tree(tmp_path / "2", {"proc/self/cgroup": "0::/\n", **below("sys/fs/cgroup", unlimited)})
    wanted = Container(cpu_seconds=90, memory_working_set_bytes=800_000, oom_kills=2)
    assert cgroup.read(root) == wanted
    root = tree(
        tmp_path / "1",
        {
            "proc/self/cgroup": "4:cpu:/\n3:memory:/\n",
            **below("sys/fs/cgroup/cpu", {**V1_CPU, "cpu.cfs_quota_us": "-1\n"}),
            **below(
                "sys/fs/cgroup/memory",
                {**V1_MEMORY, "memory.limit_in_bytes": "9223372036854771712\n"},
            ),
        },
    )
    assert cgroup.read(root) == wanted


def test_the_root_of_all_groups_is_no_container(tmp_path: Path) -> None:
    files = {name: text for name, text in V2.items() if name == "cpu.stat"}
    some = "some avg10=0.00 avg60=0.02 avg300=0.80 total=5\n"
    files["cpu.pressure"] = some
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", **below("sys/fs/cgroup", files)})
    assert cgroup.read(root) == Container()


def test_the_pressure_inside_a_container_is_its_own(tmp_path: Path) -> None:
    some = "some avg10=0.00 avg60=0.02 avg300=0.80 total=23000000\n"
    files = {**V2, "cpu.pressure": some, "io.pressure": some.replace("some", "full")}
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", **below("sys/fs/cgroup", files)})
    found = {(name, *labels.values()): value for name, labels, value in readings(root)}
    assert found[("container_pressure_waiting_seconds_total", "cpu")] == 23
    assert found[("container_pressure_stalled_seconds_total", "io")] == 23
    assert ("container_pressure_stalled_seconds_total", "cpu") not in found
    assert found[("container_cpu_seconds_total",)] == 90
    assert found[("container_cpu_limit_cores",)] == 1.5


def test_absent_files_are_absent_figures(tmp_path: Path) -> None:
    assert cgroup.read(tmp_path) == Container()
    assert cgroup.pressure(tmp_path) == {}
    names = {name for name, _, _ in readings(tmp_path)}
    assert not any(name.startswith(("container_", "host_pressure")) for name in names)
    assert "host_cpu_seconds_total" in names


def test_figures_of_a_limited_container_reach_the_samples(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/self/cgroup": "0::/\n", **below("sys/fs/cgroup", V2)})
    found = {(name, *labels.values()): value for name, labels, value in readings(root)}
    assert found[("container_cpu_periods_total",)] == 1000
    assert found[("container_cpu_throttled_periods_total",)] == 50
    assert found[("container_cpu_throttled_seconds_total",)] == 2.5
    assert found[("container_memory_working_set_bytes",)] == 800_000
    assert found[("container_memory_usage_ratio",)] == 0.8
    assert found[("container_oom_kills_total",)] == 2
    assert found[("host_memory_limit_bytes", "cgroup")] == 1_000_000
    assert found[("host_memory_limit_bytes", "host")] == psutil.virtual_memory().total


def test_pressure_is_read_in_seconds(tmp_path: Path) -> None:
    some = "some avg10=0.00 avg60=0.02 avg300=0.80 total=23644262\n"
    full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n"
    root = tree(tmp_path, {"proc/pressure/io": some + full, "proc/pressure/cpu": some})
    found = {(name, *labels.values()): value for name, labels, value in readings(root)}
    assert found[("host_pressure_waiting_seconds_total", "io")] == pytest.approx(23.644262)
    assert found[("host_pressure_stalled_seconds_total", "io")] == pytest.approx(1.5)
    assert found[("host_pressure_waiting_seconds_total", "cpu")] == pytest.approx(23.644262)
    assert ("host_pressure_stalled_seconds_total", "cpu") not in found


def test_this_machine_is_collected() -> None:
    collected = asyncio.run(Host(15, 10).collect(NOW))
    samples = collected.samples
    assert len(set(samples.series)) == len(samples.series) == len(samples)
    assert set(samples.at_ms.tolist()) == {NOW}
    found: dict[Labels, float] = dict(zip(samples.series, samples.values.tolist(), strict=True))

    def one(name: str, **labels: str) -> float:
        return found[Labels.of(labels, __name__=name, target="host")]

    memory = psutil.virtual_memory()
    modes = [mode for mode in CPU_MODES if hasattr(psutil.cpu_times(), mode)]
    cpu_seconds = sum(one("host_cpu_seconds_total", mode=mode) for mode in modes)
    times = psutil.cpu_times()
    assert cpu_seconds == pytest.approx(sum(getattr(times, mode) for mode in modes), rel=0.05)
    assert one("host_cpu_count") == psutil.cpu_count()
    assert one("host_load1") >= 0
    assert one("host_memory_available_bytes") == pytest.approx(memory.available, rel=0.2)
    assert one("host_memory_used_bytes") + one("host_memory_available_bytes") == memory.total
    assert 0 < one("host_memory_usage_ratio") < 1
    assert one("host_filesystem_avail_bytes", mountpoint="/") > 0
    assert 0 < one("host_filesystem_usage_ratio", mountpoint="/") <= 1
    names = {labels.metric for labels in found}
    if Path("/proc/pressure/cpu").exists():
        assert "host_pressure_waiting_seconds_total" in names


def test_each_disk_is_told_once_and_images_and_single_files_are_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "inner").mkdir()
    (tmp_path / "snap").mkdir()
    (tmp_path / "hosts").write_text("")

    def partitions(all: bool) -> list[object]:
        assert not all
        return [
            SimpleNamespace(device=device, mountpoint=str(tmp_path / name), fstype=kind)
            for device, name, kind in (
                ("/dev/sdb1", "data/inner", "ext4"),
                ("/dev/sdb1", "data", "ext4"),
                ("/dev/loop7", "snap", "squashfs"),
                ("/dev/sdc1", "hosts", "ext4"),
            )
        ]

    monkeypatch.setattr(psutil, "disk_partitions", partitions)
    assert host.mountpoints() == ["/", str(tmp_path / "data")]


def test_only_whole_disks_and_lasting_network_devices_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    disk = SimpleNamespace(busy_time=2500)
    net = SimpleNamespace(bytes_sent=7, bytes_recv=8)
    whole = sorted(path.name for path in Path("/sys/block").iterdir())
    devices = [*whole, "sdz1", "loop0", "zram0"]
    monkeypatch.setattr(psutil, "disk_io_counters", lambda perdisk: dict.fromkeys(devices, disk))
    names = ("lo", "eth0", "veth12ab", "cali99")
    monkeypatch.setattr(psutil, "net_io_counters", lambda pernic: dict.fromkeys(names, net))
    found = {(name, *labels.values()): value for name, labels, value in readings(tmp_path)}
    told = {key[1]: value for key, value in found.items() if "disk" in key[0]}
    assert told == {name: 2.5 for name in whole if not name.startswith(("loop", "ram", "zram"))}
    assert {key[1:]: value for key, value in found.items() if "network" in key[0]} == {
        ("eth0", "transmit"): 7,
        ("eth0", "receive"): 8,
    }


def test_a_disk_that_hangs_is_a_timeout_and_does_not_pile_up_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()
    monkeypatch.setattr(host, "mountpoints", lambda: [release.wait(), []][1])

    async def attempt() -> None:
        source = Host(15, 10)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await source.collect(NOW)
        before = threading.active_count()
        with pytest.raises(CollectFailure) as caught:
            await source.collect(NOW)
        assert caught.value.reason is Failure.TIMEOUT
        assert threading.active_count() == before

    try:
        asyncio.run(attempt())
    finally:
        release.set()
