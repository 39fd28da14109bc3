"""The section `storage`: defaults, limits, and messages that tell the way out."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from storage.config import StorageConfig
from storage.state import StateError

URL = "postgresql+psycopg://plimsoll:s3cr3t@db/state"


def test_without_a_section_everything_stands_in_one_directory() -> None:
    config = StorageConfig()
    assert config.history_path == Path("plimsoll-data/history.duckdb")
    assert config.url() == f"sqlite:///{Path('plimsoll-data/state.sqlite3').resolve()}"


def test_the_address_of_the_state_comes_from_the_section_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(f"{URL}\n")
    assert StorageConfig.model_validate({"state_url": URL}).url() == URL
    assert StorageConfig.model_validate({"state_url_file": file}).url() == URL


def test_a_password_is_shown_nowhere() -> None:
    config = StorageConfig.model_validate({"state_url": URL})
    assert "s3cr3t" not in repr(config) + str(config) + config.model_dump_json()
    with pytest.raises(ValidationError) as raised:
        StorageConfig.model_validate({"state_url": "mysql://plimsoll:s3cr3t@db/state"})
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"memory": "256"}, "String should match pattern"),
        ({"memory": "0GB"}, "String should match pattern"),
        ({"keep_windows": "7d"}, "keep_windows must be at least 8d: baselines look back 7 days"),
        ({"keep_samples": "soon"}, "'soon' is no duration"),
        ({"state_url": URL, "state_url_file": "x"}, "say the same: keep one of them"),
        ({"state_url": "mysql://db/state"}, "'mysql' is no database that state can be kept in"),
        ({"state_url": "nonsense"}, "this is no address of a database"),
        ({"directry": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_each_fault_has_its_message(section: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        StorageConfig.model_validate(section)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    config = StorageConfig(state_url_file=tmp_path / "absent")
    with pytest.raises(StateError, match=r"absent cannot be read \(No such file.*state_url_file"):
        config.url()
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(StateError, match=r"cannot be read \(it is no text\)"):
        StorageConfig(state_url_file=tmp_path / "bytes").url()


def test_every_key_is_described() -> None:
    assert all(field.description for field in StorageConfig.model_fields.values())
