"""Draws the pictures of docs/how-detection-works.md, or says which are stale.

`python -m api.reference.pictures` writes them, `--check` compares. What they show is computed by
the detector's own functions on seeded series, and the same run after run.
"""

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detector.expected import same_hours
from detector.localise import localise
from storage.history import Floats

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "detection"
PER_DAY, PER_HOUR = 288, 12
INK, PAPER, QUIET, CALM, BAD, GOOD = (
    "#1f2430", "#fbfbf9", "#8a909c", "#2f6fb0", "#c2401c", "#2e7d4f",
)  # fmt: skip
"""Dark ink on a light card of its own: it reads alike on a light and on a dark page."""
STYLE: Any = {
    "svg.hashsalt": "plimsoll",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
}


def correlated(series: int, count: int, phi: float, deviation: float, seed: int) -> Floats:
    """Autocorrelated noise of this standard deviation, `[series, count]`."""
    generator = np.random.default_rng(seed)
    shock = generator.normal(size=(series, count)) * deviation * np.sqrt(1 - phi**2)
    values: Floats = np.empty_like(shock)
    values[:, 0] = generator.normal(size=series) * deviation
    for column in range(1, count):
        values[:, column] = phi * values[:, column - 1] + shock[:, column]
    return values


def sustain(figure: Any) -> None:
    """The average, the trigger, a spike that is not sustained, and a slowdown that is."""
    values = 200 * np.exp(correlated(1, 30, 0.3, 0.03, 5)[0])
    values[8] *= 1.5
    values[20:] *= 1.32
    at = 5 * np.arange(30)
    axes = figure.add_subplot()
    beyond = values > 240
    held = np.array([beyond[i] and beyond[max(i - 3, 0) : i + 1].sum() >= 3 for i in range(30)])
    axes.axhspan(180, 220, color=CALM, alpha=0.12, lw=0)
    axes.axhline(200, color=CALM, lw=1.2)
    axes.axhline(240, color=BAD, lw=1.2, ls="--")
    axes.plot(at, values, color=QUIET, lw=1.0, zorder=2)
    for chosen, colour in ((~beyond, QUIET), (beyond & ~held, "#e0a030"), (held, BAD)):
        axes.scatter(at[chosen], values[chosen], color=colour, s=30, zorder=3)
    axes.text(104, 204, "7-day average: 200 ms", color=CALM, fontsize=10)
    axes.text(47, 244, "trigger: above 1.2 x the average", color=BAD, fontsize=10)
    axes.annotate("one window: rejected, sustain", (40, values[8]), (52, 300), arrowprops=ARROW)
    first = int(np.argmax(held))
    axes.annotate("3 of 4: it holds", (at[first], values[first]), (76, 278), arrowprops=ARROW)
    axes.set(xlabel="minutes", ylabel="ms", ylim=(160, 325), xlim=(-3, 150))


def seasonal(figure: Any) -> None:
    """The same three days against the flat average and against what is usual at the hour."""
    count = 10 * PER_DAY
    hour = 24 * (np.arange(count) % PER_DAY) / PER_DAY
    shape = 1 + 0.45 * np.exp(-(((hour - 14) / 3.2) ** 2)) - 0.2 * np.exp(-(((hour - 4) / 3) ** 2))
    values = 200 * shape * np.exp(correlated(1, count, 0.5, 0.03, 11)[0])
    night = slice(9 * PER_DAY + 2 * PER_HOUR, 9 * PER_DAY + 6 * PER_HOUR)
    values[night] *= 1.35
    expected = same_hours(np.log(values), PER_DAY, 6)
    shown = slice(7 * PER_DAY, count)
    at = np.arange(count)[shown] / PER_DAY - 7
    flat = values[: 7 * PER_DAY].mean()
    axes = figure.add_subplot()
    axes.plot(at, values[shown], color=QUIET, lw=0.8)
    axes.plot(at, np.exp(expected[shown]), color=CALM, lw=2.0)
    axes.plot(at, 1.2 * np.exp(expected[shown]), color=CALM, lw=1.0, ls="--")
    axes.axhline(flat, color=BAD, lw=1.2)
    axes.axhline(1.2 * flat, color=BAD, lw=1.0, ls="--")
    axes.text(2.99, flat + 4, "7-day average", color=BAD, fontsize=10, ha="right")
    axes.text(2.99, 1.2 * flat + 4, "1.2 x it", color=BAD, fontsize=10, ha="right")
    axes.annotate("usual at this hour", (0.50, 272), (0.72, 318), color=CALM, arrowprops=ARROW)
    axes.annotate(
        "every noon is above 1.2 x the average:\nrefused, by the gate of this hour",
        (1.56, 300), (1.08, 368), arrowprops=ARROW,
    )  # fmt: skip
    axes.annotate(
        "a third slower at night is not\nabove the average: not seen", (2.17, 225), (1.98, 120),
        arrowprops=ARROW,
    )  # fmt: skip
    axes.set(xlabel="days", ylabel="ms", ylim=(105, 402), xlim=(0, 3))


def change(figure: Any) -> None:
    """The interval in which a change set in, with the medians before and after."""
    values = correlated(1, 60, 0.4, 0.05, 3)[0]
    values[38:] += np.log(1.25)
    found = localise(values, since=12)
    assert found is not None
    at = 5 * np.arange(60)
    axes = figure.add_subplot()
    axes.axvspan(at[found.first], at[found.last] + 5, color="#e0a030", alpha=0.3, lw=0)
    axes.plot(at, 200 * np.exp(values), color=QUIET, lw=1.0, marker="o", ms=3)
    for level, lo, hi in ((found.before, 0, found.best), (found.after, found.best, 60)):
        axes.hlines(200 * np.exp(level), 5 * lo, 5 * hi, color=CALM, lw=2.2)
    before, after = 200 * np.exp(found.before), 200 * np.exp(found.after)
    axes.text(4, before + 32, f"median before: {before:.0f} ms", color=CALM)
    axes.text(5 * found.best + 22, after + 34, f"median after: {after:.0f} ms", color=CALM)
    axes.text(5 * found.first - 4, 292, "it set in here,\nsomewhere", ha="right", va="center")
    axes.set(xlabel="minutes", ylabel="ms", ylim=(160, 310), xlim=(0, 300))


def transient(figure: Any) -> None:
    """A disturbance of 50 minutes and a regression, each with what becomes of it."""
    at = 5 * np.arange(48)
    above, below = figure.subplots(2, 1, sharex=True)
    for axes, lasts, seed in ((above, 10, 21), (below, 40, 22)):
        values = 200 * np.exp(correlated(1, 48, 0.3, 0.03, seed)[0])
        values[8 : 8 + lasts] *= 1.5
        axes.plot(at, values, color=QUIET, lw=1.0, marker="o", ms=3)
        axes.axhline(240, color=BAD, lw=1.0, ls="--")
        axes.axvline(85, color=BAD, lw=1.4)
        axes.text(87, 352, "told, after 45 minutes", color=BAD, fontsize=10)
        axes.set(ylabel="ms", ylim=(170, 380), xlim=(0, 240))
    above.axvspan(90, 120, color=GOOD, alpha=0.15, lw=0)
    above.text(122, 252, "clear for half an hour: withdrawn\nin the same message, and learnt",
               color=GOOD, fontsize=10)  # fmt: skip
    below.axvline(100, color=INK, lw=1.0, ls=":")
    below.text(103, 205, "still there after an hour: a regression", fontsize=10)
    below.set_xlabel("minutes")


def autocorrelation(figure: Any) -> None:
    """How often a test at 1 % fires when nothing is wrong, on neighbours and on hours."""
    phis, trials, before = (0.0, 0.5, 0.7, 0.9), 4000, 84
    neighbours, hours = [], []
    for number, phi in enumerate(phis):
        values = correlated(trials, before + PER_HOUR, phi, 1.0, 100 + number)
        past, now = values[:, :before], values[:, before:]
        pooled = np.sqrt(
            ((before - 1) * past.var(axis=1, ddof=1) + 11 * now.var(axis=1, ddof=1)) / (before + 10)
        )
        t = (now.mean(axis=1) - past.mean(axis=1)) / pooled / np.sqrt(1 / before + 1 / PER_HOUR)
        neighbours.append(100 * float((np.abs(t) > 2.63).mean()))  # Student, 94 degrees, 1 %
        long = correlated(trials // 4, 85 * PER_HOUR, phi, 1.0, 200 + number)
        medians = np.median(long.reshape(-1, 85, PER_HOUR), axis=2)
        spread = medians[:, :84].std(axis=1, ddof=1) * np.sqrt(1 + 1 / 84)
        z = (medians[:, 84] - medians[:, :84].mean(axis=1)) / spread
        hours.append(100 * float((np.abs(z) > 2.64).mean()))  # Student, 83 degrees, 1 %
    axes = figure.add_subplot()
    place = np.arange(len(phis))
    axes.bar(place - 0.19, neighbours, 0.36, color=BAD, label="5-minute windows as they stand")
    axes.bar(place + 0.19, hours, 0.36, color=CALM, label="one median an hour")
    for x, height in [*zip(place - 0.19, neighbours, strict=True),
                      *zip(place + 0.19, hours, strict=True)]:  # fmt: skip
        axes.text(x, height + 0.8, f"{height:.1f} %", ha="center", fontsize=10)
    axes.axhline(1, color=INK, lw=1.2, ls=":", label="what was asked for: 1 %")
    axes.set_xticks(place, [f"phi {phi:g}" for phi in phis])
    axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(0.0, 0.98))
    axes.set(ylabel="false alarms, %", ylim=(0, 60), xlim=(-0.5, 3.5),
             xlabel="how alike neighbouring windows are (autocorrelation)")  # fmt: skip


ARROW = {"arrowstyle": "-", "color": INK, "lw": 0.8}
PICTURES: dict[str, Callable[[Any], None]] = {
    "sustain": sustain,
    "seasonal": seasonal,
    "change": change,
    "transient": transient,
    "autocorrelation": autocorrelation,
}


def drawn(name: str) -> bytes:
    """One picture as SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.4 if name == "transient" else 3.6))
        PICTURES[name](figure)
        figure.subplots_adjust(left=0.085, right=0.975, top=0.96, bottom=0.15, hspace=0.14)
        into = io.BytesIO()
        figure.savefig(into, format="svg", metadata={"Date": None, "Creator": "Plimsoll"})
    return b"\n".join(line.rstrip() for line in into.getvalue().splitlines()) + b"\n"


def stale(folder: Path) -> list[str]:
    """The pictures in a folder that are not as they would be drawn."""
    files = {name: folder / f"{name}.svg" for name in PICTURES}
    return [n for n, file in files.items() if not file.is_file() or file.read_bytes() != drawn(n)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what is stale; with `--check` only name it, and 1 if there is any."""
    checking = "--check" in (sys.argv[1:] if arguments is None else arguments)
    found = stale(FOLDER)
    for name in found:
        if not checking:
            FOLDER.mkdir(parents=True, exist_ok=True)
            (FOLDER / f"{name}.svg").write_bytes(drawn(name))
        sys.stdout.write(f"{'stale' if checking else 'drawn'}: {name}.svg\n")
    return int(checking and bool(found))


if __name__ == "__main__":
    sys.exit(main())
