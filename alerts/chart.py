"""Draws one chart and ends: `python -m alerts.chart` reads a drawing as JSON and writes a PNG.

In a process of its own, because matplotlib would stay in the memory of the long-lived one. Nothing
is told by colour alone: the band is filled, the change is hatched, the deployment is a dashed line
with its name, and what came after the change is drawn thicker. Colours are those of Okabe and Ito
(https://jfly.uni-koeln.de/color/), which colour-blind readers tell apart.
"""

import io
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import import_module
from itertools import pairwise
from statistics import median
from typing import Any

from alerts.drawing import Drawing
from detector import units

WIDTH, HEIGHT, DOTS_PER_INCH = 7.2, 3.8, 140
BLUE, SKY, VERMILLION, AMBER = "#0072b2", "#56b4e9", "#d55e00", "#e69f00"
GREEN, PURPLE, INK = "#009e73", "#7b3f7a", "#222222"
# Windows that lie farther apart than this many steps have a gap between them.
GAP_STEPS = 1.8


def png(drawing: Drawing) -> bytes:
    """The chart, 1008 by 532 pixels: legible where a chat shows it at half of that."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DOTS_PER_INCH, facecolor="white")
    axes: Any = figure.add_axes((0.115, 0.125, 0.865, 0.715))
    at = [moment(one) for one in drawing.at_ms]
    draw_normal(axes, drawing)
    draw_change(axes, drawing)
    draw_values(axes, drawing)
    draw_deployment(axes, drawing)
    axes.set_xlim(at[0], at[-1])
    axes.set_ylim(*reach(drawing))
    dress(axes, drawing)
    large = 13 if len(drawing.title) <= 55 else 9.5
    figure.text(
        0.012, 0.985, drawing.title, fontsize=large, weight="bold", va="top", color=INK,
        parse_math=False,
    )  # fmt: skip
    days = dict.fromkeys(f"{one:%Y-%m-%d}" for one in (at[0], at[-1]))
    figure.text(
        0.98, 0.008, f"{' - '.join(days)} UTC", fontsize=9, color="#666666", ha="right", va="bottom"
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw_normal(axes: Any, drawing: Drawing) -> None:
    """The band of what is normal, or the limit."""
    if drawing.lower is not None and drawing.upper is not None and drawing.upper > drawing.lower:
        axes.axhspan(drawing.lower, drawing.upper, color=SKY, alpha=0.28, lw=0, label="normal")
    if drawing.expected is not None:
        axes.axhline(drawing.expected, color=BLUE, lw=1.2, ls=":", label="baseline")
    if drawing.limit is not None:
        axes.axhline(drawing.limit, color=INK, lw=1.5, ls="-.", label="limit")


def draw_change(axes: Any, drawing: Drawing) -> None:
    """The span in which the change set in, never too narrow to be seen."""
    low, high = drawing.change_ms
    least = (drawing.at_ms[-1] - drawing.at_ms[0]) // 100
    if high - low < least:
        low, high = low - least // 2, high + least // 2
    axes.axvspan(
        moment(low), moment(high), facecolor=AMBER, alpha=0.45, hatch="////", edgecolor="#8a5a00",
        lw=0, label="change set in",
    )  # fmt: skip


def draw_values(axes: Any, drawing: Drawing) -> None:
    """The series: thin before the change, thick and another colour after it; gaps stay gaps."""
    before, after = [], []
    for piece in pieces(drawing):
        normal = [one for one in piece if one[0] <= drawing.change_ms[1]]
        changed = [one for one in piece if one[0] >= drawing.change_ms[1]]
        if normal and changed:
            changed = [normal[-1], *changed]
        before += [normal] if normal else []
        after += [changed] if changed else []
    for number, piece in enumerate(before):
        plot(axes, piece, color=BLUE, lw=1.8, label="before" if not number else None)
    for number, piece in enumerate(after):
        plot(axes, piece, color=VERMILLION, lw=3.0, label="since then" if not number else None)
    if drawing.resolved_ms is not None:
        axes.axvline(
            moment(drawing.resolved_ms), color="#009e73", lw=2.0, ls="-.", label="resolved"
        )


def plot(axes: Any, piece: Sequence[tuple[int, float]], **style: Any) -> None:
    """A piece without a gap; a lonely point is a dot."""
    marker = "o" if len(piece) == 1 else None
    axes.plot([moment(at) for at, _ in piece], [value for _, value in piece], marker=marker,
              solid_capstyle="round", **style)  # fmt: skip


def draw_deployment(axes: Any, drawing: Drawing) -> None:
    """The deployment whose time fits, with its name beside the line."""
    if drawing.deployed_ms is None:
        return
    axes.axvline(moment(drawing.deployed_ms), color=PURPLE, lw=2.2, ls="--")
    middle = (drawing.at_ms[0] + drawing.at_ms[-1]) / 2
    left = drawing.deployed_ms > middle
    axes.annotate(
        f"{drawing.deployed} deployed", (moment(drawing.deployed_ms), 0.965),
        xycoords=("data", "axes fraction"), xytext=(-7 if left else 7, 0),
        textcoords="offset points", ha="right" if left else "left", va="top", fontsize=11,
        color=PURPLE, weight="bold", parse_math=False,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip


def dress(axes: Any, drawing: Drawing) -> None:
    """Axes that say their unit and their zone, and a legend that names every mark."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    dates: Any = import_module("matplotlib.dates")
    locator = dates.AutoDateLocator(maxticks=7, tz=UTC)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator, tz=UTC, show_offset=False))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: units.text(value, drawing.unit)))
    axes.tick_params(labelsize=11, colors=INK)
    axes.grid(axis="y", color="#d8d8d8", lw=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=6, fontsize=9.5, frameon=False,
        handlelength=1.5, columnspacing=0.9, borderaxespad=0.1, handletextpad=0.5,
    )  # fmt: skip


def reach(drawing: Drawing) -> tuple[float, float]:
    """From zero, or below what is negative, to a little above all that is drawn."""
    levels = [drawing.upper, drawing.expected, drawing.limit, *drawing.values]
    known = [one for one in levels if one is not None]
    low, high = min(0.0, *known), max(known)
    room = (high - low) or 1.0
    return low, high + room * 0.18


def pieces(drawing: Drawing) -> list[list[tuple[int, float]]]:
    """The points, cut where one is missing or the next is too far away."""
    steps = [later - earlier for earlier, later in pairwise(drawing.at_ms)]
    widest = GAP_STEPS * median(steps) if steps else 0
    found: list[list[tuple[int, float]]] = [[]]
    last: int | None = None
    for at, value in zip(drawing.at_ms, drawing.values, strict=True):
        if value is None or (last is not None and at - last > widest):
            found.append([])
        if value is not None:
            found[-1].append((at, value))
            last = at
    return [piece for piece in found if piece]


def moment(at_ms: float) -> datetime:
    """A time that matplotlib knows."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def main() -> None:
    """One drawing in, one picture out."""
    sys.stdout.buffer.write(png(Drawing.of_json(sys.stdin.read())))


if __name__ == "__main__":
    main()
