"""Write rule files and their tests into a directory, only what changed."""

from collections.abc import Mapping
from pathlib import Path

from dashboards.rule_tests import test_files
from dashboards.rules import Told, rule_files
from dashboards.writing import Outcome, Written, put
from detector.rule import Rule
from detector.signal import Signal

TESTS = "tests"


def export(
    directory: Path, signals: Mapping[str, Signal], rules: Mapping[str, Rule], told: Told
) -> list[Written]:
    """Make the directory hold the rule files of today, and say of each file what became of it.

    A file of an earlier export whose signal is gone is named as left over and not removed: whoever
    loads it should know before its alerts are missed.
    """
    files = contents(signals, rules, told)
    written = [
        Written(directory / name, put(directory / name, text)) for name, text in files.items()
    ]
    known = {one.path for one in written}
    old = [*directory.glob("plimsoll-*.yaml"), *directory.glob(f"{TESTS}/plimsoll-*.test.yaml")]
    return written + [Written(one, Outcome.LEFT_OVER) for one in sorted(old) if one not in known]


def contents(
    signals: Mapping[str, Signal], rules: Mapping[str, Rule], told: Told
) -> dict[str, str]:
    """Every file by its path within the directory."""
    files: dict[str, str] = {}
    for one in rule_files(signals, rules, told):
        files[one.name] = one.text
        if one.baseline_text:
            files[one.baseline_name] = one.baseline_text
        for name, text in test_files(one, rules).items():
            files[f"{TESTS}/{name}"] = text
    return files
