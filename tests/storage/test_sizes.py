"""What files take on disk."""

from pathlib import Path

import pytest

from storage.sizes import size_bytes


def test_a_file_has_its_size_and_none_has_none(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"12345")
    assert (size_bytes(tmp_path / "log"), size_bytes(tmp_path / "gone")) == (5, 0)


def test_a_file_that_goes_while_it_is_measured_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"12345")
    real = Path.stat

    def taken_away(self: Path, *, follow_symlinks: bool = True) -> object:
        log.unlink(missing_ok=True)
        return real(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", taken_away)
    assert size_bytes(log) == 0
