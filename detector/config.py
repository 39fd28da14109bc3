"""The detector's sections of plimsoll.yaml: `signals`, `rules`, `detector`."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from detector.dependencies import cycle
from detector.rule import Rule
from detector.signal import AnySignal, Signal
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


def shipped() -> tuple[dict[str, Any], dict[str, Any]]:
    """The signals and rules of the catalogue, as they stand in its files."""
    signals: dict[str, Any] = {}
    rules: dict[str, Any] = {}
    for file in sorted(files("detector.catalogue").iterdir(), key=lambda one: one.name):
        if file.name.endswith(".yaml"):
            part = yaml.safe_load(file.read_text(encoding="utf-8"))
            signals |= part.get("signals", {})
            rules |= part.get("rules", {})
    return signals, rules


def build_signals(texts: Mapping[str, Any]) -> dict[str, Signal]:
    """Signals by name; the texts are valid (`api.settings` reports what is not)."""
    return {
        name: Signal(name=name, form=SIGNAL.validate_python(text)) for name, text in texts.items()
    }


def build_rules(texts: Mapping[str, Any]) -> dict[str, Rule]:
    """Rules by name; the texts are valid (`api.settings` reports what is not)."""
    return {name: Rule.model_validate(text) for name, text in texts.items()}
