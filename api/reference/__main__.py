"""Rewrites the generated parts of docs/, or says which are stale.

A part stands between `<!-- generated: NAME -->` and `<!-- end -->`; everything else on a page is
written by hand and stays.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from api.reference import declared, interfaces, reasons, shown

DOCS = Path(__file__).parents[2] / "docs"
PARTS: dict[str, Callable[[], str]] = {
    "access-refusals": reasons.refusals,
    "command-line": interfaces.command_line,
    "check-outcomes": reasons.checks,
    "check-unchecked": reasons.unchecked,
    "configuration": declared.configuration,
    "deployment-outcomes": shown.outcomes,
    "drop-reasons": reasons.drops,
    "beacon-refusals": reasons.beacon_refusals,
    "beacon-omissions": reasons.omissions,
    "beacon-exclusions": reasons.exclusions,
    "views-lost": reasons.views_lost,
    "vitals-comparisons": reasons.comparisons,
    "export-outcomes": reasons.exports,
    "exporters": declared.exporters,
    "failure-reasons": reasons.failures,
    "answer-drops": reasons.not_kept,
    "answer-ways": reasons.ways,
    "figures": shown.figures,
    "gate-results": reasons.gate_results,
    "gates": reasons.gates,
    "group-notices": reasons.notices,
    "heartbeat-outcomes": reasons.beats,
    "http-endpoints": interfaces.endpoints,
    "http-problems": reasons.problems,
    "http-shapes": interfaces.shapes,
    "left-out-reasons": reasons.left_out,
    "message-outcomes": reasons.outcomes,
    "message-reasons": reasons.decisions,
    "metrics": interfaces.metrics,
    "noise-verdicts": reasons.noise,
    "own-troubles": reasons.troubles,
    "regression-states": reasons.phases,
    "regression-steps": reasons.steps,
    "repeats": reasons.repeats,
    "receiver-states": reasons.receiver_states,
    "sign-in-endings": reasons.sign_ins,
    "silence-covers": reasons.covers,
    "replay-outcomes": reasons.replays,
    "rule-parts": declared.rule_parts,
    "shipped-rules": declared.shipped_rules,
    "shipped-signals": declared.shipped_signals,
    "signal-forms": declared.signal_forms,
    "source-outcomes": reasons.source_outcomes,
    "source-signals": reasons.source_signals,
    "stream-endings": reasons.endings,
    "verdict-reasons": reasons.verdict_reasons,
    "verdicts": reasons.verdicts,
}
PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->\n)(?P<body>.*?)(?P<end><!-- end -->)",
    re.DOTALL,
)


def stale(docs: Path) -> dict[Path, tuple[str, list[str]]]:
    """The pages that are not as they should be: their text as it should be, and which parts."""
    found: dict[Path, tuple[str, list[str]]] = {}
    fresh: dict[str, str] = {}
    for page in sorted(docs.rglob("*.md")):
        names: list[str] = []

        def renewed(match: re.Match[str], names: list[str] = names) -> str:
            name = match["name"]
            if name not in fresh:
                fresh[name] = f"\n{PARTS[name]().strip()}\n\n"
            if match["body"] != fresh[name]:
                names.append(name)
            return f"{match['begin']}{fresh[name]}{match['end']}"

        text = PART.sub(renewed, page.read_text(encoding="utf-8"))
        if names:
            found[page] = text, names
    return found


def main(arguments: Sequence[str]) -> int:
    """Rewrite what is stale; with `--check` only say it, and end with 1 if anything is."""
    if list(arguments) not in ([], ["--check"]):
        sys.stderr.write("usage: python -m api.reference [--check]\n")
        return 2
    if not DOCS.is_dir():
        sys.stderr.write(f"there is no {DOCS}: run this in a checkout of the repository\n")
        return 2
    check = bool(arguments)
    pages = stale(DOCS)
    for page, (text, names) in pages.items():
        if not check:
            page.write_text(text, encoding="utf-8")
        done = "stale" if check else "rewritten"
        sys.stdout.write(f"{done}: {page.relative_to(DOCS.parent)} ({', '.join(names)})\n")
    if pages and check:
        sys.stdout.write("run `python -m api.reference` and commit what it wrote\n")
    return 1 if pages and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
