"""`plimsoll backup` and `restore` as a person runs them, and the address behind them."""

import json
import signal
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.app import create_app
from api.house import House
from api.main import app
from api.routes.backup import routes
from storage.archive import BackupError, read
from storage.history import Samples
from storage.series import Labels, Sample
from tests.api.asking import Client
from tests.api.test_main import answer, configuration, plimsoll
from tests.servers import free_port


def command(directory: Path, *arguments: str) -> tuple[int, str]:
    """What a command ends with and says."""
    child = plimsoll(*arguments, directory=directory)
    out, err = child.communicate(timeout=60)
    assert "Traceback" not in err
    return child.returncode, out + err


@pytest.mark.long
def test_a_running_process_is_backed_up_and_restored_when_it_has_stopped(tmp_path: Path) -> None:
    port = free_port()
    configuration(tmp_path, port)
    child = plimsoll("run", directory=tmp_path)
    answer(port, "/healthz", child)
    report = ("deployments", "report", "shop", "1.0", "--url", f"http://127.0.0.1:{port}")
    assert command(tmp_path, *report)[0] == 0

    status, said = command(tmp_path, "backup", "one.tar")
    assert status == 0, said
    assert "by the process at" in said
    assert (tmp_path / "one.tar").stat().st_mode & 0o777 == 0o600
    status, said = command(tmp_path, "backup", "one.tar")
    assert (status, "say --force" in said) == (1, True)
    status, said = command(tmp_path, "restore", "one.tar", "--force")
    assert (status, "in use by a Plimsoll process" in said) == (1, True)

    command(tmp_path, *report)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    status, said = command(tmp_path, "restore", "one.tar")
    assert (status, "say --force" in said) == (1, True)
    status, said = command(tmp_path, "restore", "one.tar", "--force")
    assert status == 0, said

    child = plimsoll("run", directory=tmp_path)
    listed = json.loads(answer(port, "/api/v1/deployments", child))["items"]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert [one["service"] for one in listed] == ["shop"]
    status, said = command(tmp_path, "backup", "two.tar")
    assert status == 0, said
    assert "from the files" in said
    assert not list((tmp_path / "plimsoll-data").glob("backup-*"))


def test_where_nothing_is_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    configuration(tmp_path, free_port())
    status, said = command(tmp_path, "backup", "one.tar")
    assert (status, "nothing to back up" in said) == (1, True)
    assert {one.name for one in tmp_path.iterdir()} == {"plimsoll.yaml"}


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_the_commands_have_help(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert "--force" in result.output


def test_the_address_answers_a_whole_archive_and_cleans_up(
    house: House, client: Client, tmp_path: Path
) -> None:
    house.history.append(Samples.of([Sample(Labels.of(__name__="up", target="x"), 1, 1.0)]))
    for _ in range(2):  # the second finds the way free
        response = client.get("/api/v1/backup")
        assert response.status_code == 200
        assert response.headers["content-type"] == "application/x-tar"
        assert int(response.headers["content-length"]) == len(response.content)
    path = tmp_path / "one.tar"
    path.write_bytes(response.content)
    assert list(read(path).files) == ["history.duckdb", "state.sqlite3"]
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["manifest.json", "history.duckdb", "state.sqlite3"]
    assert not list(house.settings.storage.directory.glob("backup-*"))


def test_one_backup_is_made_at_a_time(house: House, client: Client) -> None:
    with house.file.copying:
        assert client.get("/api/v1/backup").status_code == 409
    assert client.get("/api/v1/backup").status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_gets_no_backup(client: Client, site: str) -> None:
    refused = client.get("/api/v1/backup", headers={"Sec-Fetch-Site": site})
    assert refused.status_code == 403


def test_a_foreign_host_gets_no_backup(client: Client) -> None:
    assert client.get("/api/v1/backup", headers={"Host": "evil.example"}).status_code == 421


def test_a_path_is_not_taken(client: Client) -> None:
    assert client.get("/api/v1/backup?path=/etc/cron.d/x").status_code == 422
    assert {method for one in routes.routes for method in getattr(one, "methods", ())} == {"GET"}


def test_a_failed_backup_is_told_and_the_next_one_may_begin(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(create_app(house))

    def full(*_arguments: object) -> None:
        raise BackupError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr("api.routes.backup.prepare", full)
        response = client.get("/api/v1/backup")
    assert response.status_code == 507
    assert "no space left" in response.json()["detail"]
    assert client.get("/api/v1/backup").status_code == 200
