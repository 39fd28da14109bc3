"""A real memcached: what its statistics become."""

import asyncio
import socket
from pathlib import Path

import pytest

from collector.config import CollectorConfig
from collector.memcached import Memcached
from tests.caches import memcached_server
from tests.collector.redis.rig import Seen


def asked(port: int, text: str) -> bytes:
    """What memcached answers, up to a moment of silence."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(text.encode() + b"mn\r\n")
        found = b""
        while not found.endswith(b"MN\r\n"):
            found += connection.recv(65_536)
    return found


def seen(port: int, **more: object) -> Seen:
    """One collection."""
    target = {"name": "cache", "address": f"127.0.0.1:{port}", **more}
    config = CollectorConfig.model_validate({"memcached": [target]})
    return Seen(asyncio.run(Memcached(config.memcached[0], config).collect(0)))


def test_look_ups_items_and_slabs_are_read(tmp_path: Path) -> None:
    with memcached_server(tmp_path, "-m", "64") as port:
        asked(port, "set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n" + "get a\r\n" * 7 + "get c\r\n" * 3)
        asked(port, "delete a\r\ndelete a\r\nincr n 1\r\n")
        found = seen(port)

        def commands(command: str, status: str) -> float | None:
            return found("memcached_commands_total", command=command, status=status)

        assert found.failures() == {}
        assert list(found.parts) == ["stats", "items", "slabs"]
        assert (commands("get", "hit"), commands("get", "miss")) == (7, 3)
        assert (commands("delete", "hit"), commands("delete", "miss")) == (1, 1)
        assert (commands("incr", "miss"), commands("set", "hit")) == (1, 2)
        assert found("memcached_limit_bytes") == 64 * 1024 * 1024
        assert found("memcached_current_items") == 1
        assert found("memcached_items_evicted_total") == 0
        assert found("memcached_connections_listener_disabled_total") == 0
        assert found("memcached_slab_current_items", slab="1") == 1
        size = found("memcached_slab_chunk_size_bytes", slab="1")
        assert size is not None
        assert size > 50
        cpu = found("memcached_cpu_seconds_total", mode="user")
        assert cpu is not None
        assert cpu >= 0


def test_what_was_evicted_or_expired_without_a_look_is_counted(tmp_path: Path) -> None:
    with memcached_server(tmp_path, "-m", "2") as port:
        body = "x" * 5000
        asked(port, "".join(f"set k{i} 0 0 5000\r\n{body}\r\n" for i in range(1500)))
        found = seen(port)
        evicted = found("memcached_items_evicted_total")
        assert evicted is not None
        assert evicted > 100
        assert found("memcached_evicted_unfetched_total") == evicted
        by_slab = sum(v for k, v in found.values.items() if "slab_items_evicted_total" in k)
        assert by_slab == evicted


def test_labels_of_the_target_are_on_every_series(tmp_path: Path) -> None:
    with memcached_server(tmp_path) as port:
        found = seen(port, labels={"service": "shop"})
        assert all('service="shop"' in name for name in found.values)
        assert all('target="cache"' in name for name in found.values)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "a:b", "redis://a:1", "a:0", "a:70000", "u:p@h:1"]
)
def test_an_address_is_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ValueError, match="is no address") as caught:
        CollectorConfig.model_validate({"memcached": [{"name": "x", "address": address}]})
    assert "u:p" not in str(caught.value)
