"""What the page views behind a regression of a web vital say, in words. Pure.

From the evidence that the detector kept: the release that is slower, the element that grew, and how
much of the difference is one of visitors. Names come from browsers, so whoever writes them into a
page or a message escapes them.
"""

from collections.abc import Mapping
from typing import Any

from detector import units
from detector.units import Unit

LONGEST_NAME = 80


def page_views(visits: Mapping[str, Any], unit: Unit) -> list[str]:
    """One sentence each about the releases, the element that grew most, and the visitors."""
    told = []
    if visits.get("releases"):
        told.append(release(visits["releases"], unit))
    if visits.get("elements"):
        told.append(element(visits["elements"][0], unit))
    if visits.get("mix"):
        told.append(visitors(visits["mix"]))
    return told


def release(said: Mapping[str, Any], unit: Unit) -> str:
    """The newest release against the one before it, with the 95 % interval of the difference."""
    after, before = name(said["after"]), name(said["before"])
    gap = said["difference"]
    if said["verdict"] == "unknown":
        return f"Too few page views to compare release {after} with {before}"
    limits = " to ".join(difference(gap[one], unit) for one in ("low", "high"))
    if said["verdict"] == "alike":
        return f"Releases {after} and {before} do not differ ({limits})"
    values = [units.text(said[one]["value"], unit) for one in ("value", "value_before")]
    size = difference(gap["value"], unit)
    return (
        f"Release {after} is {said['verdict']} than {before} by {size} ({limits}): "
        f"{values[0]}, was {values[1]}"
    )


def element(said: Mapping[str, Any], unit: Unit) -> str:
    """The element that grew most: its value and its share of the page views, now and before."""
    on = f" on {name(said['route'])}" if said["route"] else ""
    value = units.text(said["value"], unit)
    share = units.text(said["share"], Unit.RATIO)
    if said["value_before"] is None:
        return f"Element {name(said['element'])}{on} is new: {value} in {share} of the page views"
    was = units.text(said["value_before"], unit)
    share_was = units.text(said["share_before"], Unit.RATIO)
    return (
        f"Element {name(said['element'])}{on} grew most: {value}, was {was}, in {share} of the "
        f"page views, was {share_was}"
    )


def visitors(said: Mapping[str, Any]) -> str:
    """How much of the difference is left with the visitors made alike, and who moved most."""
    left = units.text(min(max(said["left"], 0.0), 1.0), Unit.RATIO)
    by = " and ".join(said["by"])
    told = f"With {by} as in the week before, {left} of the difference is left"
    if not said["moved"]:
        return told
    most = max(said["moved"], key=lambda one: abs(one["now"] - one["before"]))
    who = " ".join(name(one) for one in most["visitors"].values()) or "unknown"
    shares = [units.text(most[one], Unit.RATIO) for one in ("now", "before")]
    return f"{told}; {who}: {shares[0]} of the page views, was {shares[1]}"


def difference(value: float | None, unit: Unit) -> str:
    """A difference; of shares in points."""
    text = units.text(value, unit)
    return text.replace(" %", " points") if unit is Unit.RATIO else text


def name(text: str) -> str:
    """A name as browsers chose it, cut."""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
