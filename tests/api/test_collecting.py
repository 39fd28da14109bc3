"""`plimsoll collect` and `plimsoll setup redis` on a real server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.collecting import ADVICE
from api.main import app
from collector.failure import Failure
from tests.caches import RedisServer, redis_server
from tests.servers import free_port

RUNNER = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"})
PASSWORD = "correct-horse"


def configured(directory: Path, address: str, password: str = "") -> Path:
    """A configuration with one Redis."""
    login = f", username: plimsoll, password: {password}" if password else ""
    file = directory / "plimsoll.yaml"
    file.write_text(
        f"collector:\n  redis:\n    - {{name: sessions, address: '{address}'{login}}}\n"
    )
    return file


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path / "redis") as started:
        yield started


def test_every_failure_has_advice() -> None:
    assert set(ADVICE) == set(Failure)


def test_collect_tells_parts_with_their_times_and_samples(
    server: RedisServer, tmp_path: Path
) -> None:
    config = configured(tmp_path, server.address)
    told = RUNNER.invoke(app, ["collect", "sessions", "--once", "-c", str(config)])
    assert told.exit_code == 0, told.output
    assert "sessions (redis)" in told.output
    for part in ("info", "latency", "slowlog", "keys", "events"):
        assert f"\n{part} " in told.output
    assert "redis_memory_used_bytes" in told.output
    assert "more; --all shows them" in told.output

    whole = RUNNER.invoke(app, ["collect", "sessions", "--once", "--all", "-c", str(config)])
    assert "more; --all" not in whole.output

    scripted = RUNNER.invoke(app, ["collect", "sessions", "--once", "--json", "-c", str(config)])
    found = json.loads(scripted.output)
    assert (found["state"], found["reason"], found["advice"]) == ("up", None, None)
    assert [part["name"] for part in found["parts"]] == [
        "info", "latency", "slowlog", "keys", "events",
    ]  # fmt: skip
    assert all(part["duration_seconds"] > 0 for part in found["parts"])
    metrics = {one["metric"]: one for one in found["samples"]}
    assert metrics["redis_up"]["value"] == 1
    assert metrics["redis_up"]["labels"] == {"target": "sessions"}


def test_collect_tells_what_failed_and_what_to_do(server: RedisServer, tmp_path: Path) -> None:
    server.client.execute_command(
        *f"ACL SETUSER plimsoll reset on >{PASSWORD} -@all +info +latency|histogram".split()
    )
    config = configured(tmp_path, server.address, PASSWORD)
    told = RUNNER.invoke(app, ["collect", "sessions", "--once", "-c", str(config)])
    assert told.exit_code == 0, told.output
    text = " ".join(told.output.split())  # cells are wrapped
    assert "up, without slowlog, keys, events" in text
    assert "the user lacks +slowlog|len" in text or "+slowlog|get" in text
    assert ADVICE[Failure.PERMISSION] in text
    assert PASSWORD not in text


def test_collect_ends_with_1_when_the_target_is_down(tmp_path: Path) -> None:
    config = configured(tmp_path, f"127.0.0.1:{free_port()}")
    told = RUNNER.invoke(app, ["collect", "sessions", "--once", "-c", str(config)])
    assert told.exit_code == 1
    assert "down: it refused the connection" in told.output
    assert ADVICE[Failure.REFUSED] in told.output


def test_collect_knows_this_machine_and_names_near_misses(tmp_path: Path) -> None:
    config = configured(tmp_path, "127.0.0.1:1")
    told = RUNNER.invoke(app, ["collect", "host", "--once", "-c", str(config)])
    assert told.exit_code == 0
    assert "host_cpu_seconds_total" in told.output
    told = RUNNER.invoke(app, ["collect", "session", "--once", "-c", str(config)])
    assert told.exit_code == 1
    assert "did you mean sessions?" in told.output


def test_setup_prints_what_makes_collect_work(server: RedisServer, tmp_path: Path) -> None:
    config = configured(tmp_path, server.address, PASSWORD)
    told = RUNNER.invoke(app, ["setup", "redis", "sessions", "-c", str(config)])
    assert told.exit_code == 0, told.output
    (command,) = [line for line in told.output.splitlines() if line.startswith("ACL ")]
    assert PASSWORD not in told.output

    before = RUNNER.invoke(app, ["setup", "redis", "sessions", "--verify", "-c", str(config)])
    assert before.exit_code == 1
    assert "refused user or password" in before.output

    server.client.execute_command(*command.replace("<password>", PASSWORD).split())
    after = RUNNER.invoke(app, ["setup", "redis", "sessions", "--verify", "-c", str(config)])
    assert after.exit_code == 0, after.output
    assert "missing" not in after.output
    assert "allowed, and not needed" not in after.output

    server.client.execute_command("ACL", "SETUSER", "plimsoll", "-scan", "+get")
    wrong = RUNNER.invoke(app, ["setup", "redis", "sessions", "--verify", "-c", str(config)])
    assert wrong.exit_code == 1
    assert "missing" in wrong.output
    assert "allowed, and not needed" in wrong.output


def test_for_redis_6_nothing_is_printed_that_it_does_not_know(tmp_path: Path) -> None:
    config = configured(tmp_path, "127.0.0.1:1")
    told = RUNNER.invoke(app, ["setup", "redis", "sessions", "--before-7", "-c", str(config)])
    assert "latency|histogram" not in told.output
    assert "%R~" not in told.output
    assert "~*" in told.output


def test_setup_of_an_unknown_target_names_a_near_one(tmp_path: Path) -> None:
    config = configured(tmp_path, "127.0.0.1:1")
    told = RUNNER.invoke(app, ["setup", "redis", "session", "-c", str(config)])
    assert told.exit_code == 1
    assert "did you mean sessions?" in told.output
