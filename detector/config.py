"""The detector's sections of plimsoll.yaml: `signals`, `rules`, `detector`."""

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from detector.dependencies import cycle
from detector.form import READING, AnySignal
from detector.rule import Rule
from detector.signal import TARGET, Signal
from storage.duration import Seconds


class DetectorConfig(BaseModel):
    """How the detector runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delay: Seconds = Field(
        default=10.0, description="How long after its end a window is evaluated, for late samples."
    )
    memory: int = Field(
        default=1536,
        ge=16,
        description="MiB for the judged windows of the last 7 days, about 12 KiB a series; what "
        "finds no room has no baseline.",
    )
    shipped: bool = Field(default=True, description="Whether the shipped signals and rules run.")
    aliases: bool | tuple[str, ...] = Field(
        default=True,
        description="Whether the series of known exporters feed the shipped signals; or which do: "
        "`[node_exporter]`.",
    )

    @field_validator("aliases", mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        if isinstance(value, bool):
            return value
        if not isinstance(value, list | tuple):
            raise ValueError("is true, false or a list of exporters like [node_exporter]")
        known = [one.name for one in aliases()]
        for name in value:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, 1)
                way = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                raise ValueError(f"{name!r} is no exporter with aliases; {way}")
        return tuple(value)

    def exporters(self) -> tuple["Alias", ...]:
        """The exporters whose series are read as ours, in the order of precedence."""
        if isinstance(self.aliases, bool):
            return aliases() if self.aliases else ()
        return tuple(one for one in aliases() if one.name in self.aliases)


class Alias(BaseModel):
    """What one exporter's series are for the shipped signals; a file of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Name of the file, and in `detector.aliases`.")
    exporter: str = Field(description="How it calls itself.")
    url: str = Field(description="Where it is at home.")
    verified: str = Field(description="The version whose page was read.")
    lacks: str = Field(description="What it cannot give, in a sentence.")
    signals: dict[str, list[dict[str, Any]]] = Field(description="Variants by signal.")


class DependenciesConfig(BaseModel):
    """What rests on what: regressions of one time that hang together are one incident."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: dict[str, tuple[str, ...]] = Field(
        default={},
        description="For a service or target those that it calls: `shop: [sessions, orders-db]`.",
    )
    services: tuple[str, ...] = Field(
        default=(),
        description="Services that are no target and no label of one: values of the label "
        "`service` on the collected pages.",
    )
    guess: bool = Field(
        default=True,
        description="Whether cache, database, api and web in this order are taken to rest on each "
        "other where nothing is declared and one of the two is nothing else.",
    )

    @field_validator("needs")
    @classmethod
    def _no_circle(cls, needs: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if circle := cycle(needs):
            raise ValueError(f"goes round in a circle: {' -> '.join(circle)}")
        return needs


SIGNAL: TypeAdapter[AnySignal] = TypeAdapter(AnySignal)
# Shipped files are read at every start: libyaml, where it is built in, takes a tenth of the time.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped() -> tuple[dict[str, Any], dict[str, Any]]:
    """The signals and rules of the catalogue; each rule has a runbook among Plimsoll's pages."""
    signals: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for file in sorted(files("detector.catalogue").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            part = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
            signals |= part.get("signals", {})
            rules |= part.get("rules", {})
    return signals, {name: {"runbook": f"/runbooks/{name}", **one} for name, one in rules.items()}


@cache
def aliases() -> tuple[Alias, ...]:
    """What is known of exporters, by name."""
    folder = files("detector.catalogue").joinpath("aliases")
    found = []
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            part = yaml.load(file.read_text(encoding="utf-8"), Loader=LOADER)
            found.append(Alias.model_validate({"name": file.name.removesuffix(".yaml"), **part}))
    return tuple(found)


def aliased(
    name: str, text: Mapping[str, Any], own: Mapping[str, Any], exporters: Iterable[Alias]
) -> dict[str, Any]:
    """A shipped signal's text with the variants that exporters give it.

    Where the user's `own` keys change what is read, nobody knows what aliases should read: then
    there are none, and none where `target` is not in `by`.
    """
    by = text.get("by", ())
    if READING & own.keys() or not isinstance(by, list | tuple) or TARGET not in by:
        return dict(text)
    found = [
        {**variant, "source": one.name, **kept(variant, by)}
        for one in exporters
        for variant in one.signals.get(name, ())
    ]
    return {**text, "variants": found} if found else dict(text)


def kept(variant: Mapping[str, Any], by: Iterable[str]) -> dict[str, Any]:
    """What a variant says of labels, as far as the signal still has them."""
    known = set(by)
    return {
        part: {our: value for our, value in variant[part].items() if our in known}
        for part in ("labels", "constants")
        if part in variant
    }


def build_signals(texts: Mapping[str, Any]) -> dict[str, Signal]:
    """Signals by name; the texts are valid (`api.settings` reports what is not)."""
    return {
        name: Signal(name=name, form=SIGNAL.validate_python(text)) for name, text in texts.items()
    }


def build_rules(texts: Mapping[str, Any]) -> dict[str, Rule]:
    """Rules by name; the texts are valid (`api.settings` reports what is not)."""
    return {name: Rule.model_validate(text) for name, text in texts.items()}
