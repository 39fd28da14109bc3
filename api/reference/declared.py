"""Configuration, signals and rules as their models declare them."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, FilePath, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from alerts.scalars import Span
from api import words
from api.faults import FORMS
from api.reference.tables import code, codes, table
from api.settings import SECTIONS
from detector.config import aliased, aliases, build_rules, build_signals, shipped
from detector.deriving import Derived
from detector.form import Gauge
from detector.renaming import GaugeVariant, RatioVariant
from detector.rule import Rule
from detector.signal import Plain
from storage.duration import Seconds, written
from storage.series import Selector

HEAD = ("key", "type", "default", "meaning")
PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    SecretStr: "secret",
    Selector: "selector",
    object: "anything",
}
TUPLES = {
    tuple[Selector, ...]: "selector or list of selectors",
    tuple[tuple[str, str], ...]: "names with values",
}
BOUNDS = {Ge: ("ge", "at least"), Gt: ("gt", "above"), Le: ("le", "at most"), Lt: ("lt", "below")}
DURATIONS = (get_args(Seconds)[1], get_args(Span)[1])


def configuration() -> str:
    """One table for each section."""
    parts = []
    for name, model in SECTIONS.items():
        parts += [f"### `{name}`", (model.__doc__ or "").strip(), table(HEAD, rows(model, name))]
    return "\n\n".join(parts)


def signal_forms() -> str:
    """What all forms share, then what each has of its own, then the keys of their variants."""
    models = list(FORMS.values())
    common = set.intersection(*(set(one.model_fields) for one in models)) - {"form"}
    parts = ["Keys of every form:", table(HEAD, rows(models[0], only=common))]
    for name, model in FORMS.items():
        own = set(model.model_fields) - common - {"form", "variants"}
        parts += [f"`form: {name}`: {(model.__doc__ or '').strip()}"]
        parts += [table(HEAD, rows(model, only=own))]
    parts += ["Variants, of every form but `promql`:"]
    told = "Other series that feed the signal, see [variants](#variants)."
    keys = {"": [code("variants"), "list of sections", "none", told]}
    for one in (RatioVariant, GaugeVariant):
        keys |= {row[0]: row for row in rows(one, "variants[]")}
    parts += [table(HEAD, keys.values())]
    return "\n\n".join(parts)


def exporters() -> str:
    """For each exporter with an alias file: what it feeds, from what, and what it cannot give."""
    parts = []
    for one in aliases():
        found = []
        for name in one.signals:
            text = aliased(name, shipped()[0][name], {}, [one])
            made = build_signals({name: text})[name]
            found += [
                [code(name), codes(dict.fromkeys(each.signal.form.selectors())), became(each)]
                for each in made.plain[1:]
            ]
        parts += [
            f"## `{one.name}`",
            f"[{one.exporter}]({one.url}). Read: {one.verified}. {one.lacks}",
            table(("signal", "reads", "as"), found),
        ]
    return "\n\n".join(parts)


def became(plain: Plain) -> str:
    """How series of a variant become ours, in words."""
    told = [f"{code(their)} is {code(our)}" for our, their in plain.renames]
    told += [f"{code(our)} is always {constant}" for our, constant in plain.constants]
    told += [f"times {plain.scale:g}"] if plain.scale != 1 else []
    if isinstance(plain.signal.form, Gauge):
        told += ["1 less the quotient"] if plain.signal.form.complement else []
        told += ["the quotient"] if plain.signal.form.of and not told else []
    return ", ".join(told) or "as it stands"


def rule_parts() -> str:
    """The keys of a rule, with those of its parts."""
    return table(HEAD, rows(Rule))


def rows(
    model: type[BaseModel],
    prefix: str = "",
    only: set[str] | None = None,
    known: frozenset[type[BaseModel]] = frozenset(),
) -> Iterator[list[str]]:
    """The keys of a model and of the models in it; a model that holds itself is told once."""
    for name, field in model.model_fields.items():
        if only is not None and name not in only:
            continue
        key = ".".join(filter(None, (prefix, field.alias or name)))
        inner, many = nested(field.annotation)
        kind_ = ("list of sections" if many else "section") if inner else kind(field)
        if inner is Derived:  # stands under the label that it makes
            kind_ = "names with sections"
        yield [code(key), kind_, default(field), field.description or ""]
        if inner is Derived:
            yield from rows(inner, f"{key}.NAME", {"label", "pattern"})
        elif inner and inner not in known:
            known |= {inner}
            yield from rows(inner, f"{key}[]" if many else key, known=known)


def nested(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model that a key holds, and whether it holds a list of them."""
    for one in (annotation, *get_args(annotation)):
        inner = get_args(one)[0] if get_origin(one) is tuple else one
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return inner, get_origin(annotation) in (list, tuple) or inner is not one
    return None, False


def kind(field: FieldInfo) -> str:
    """The type of a key for people, with its bounds."""
    name = type_name(field.annotation, field.metadata)
    told = [name]
    for one in field.metadata:
        for type_, (attribute, text) in BOUNDS.items():
            if isinstance(one, type_):
                bound = getattr(one, attribute)
                told.append(f"{text} {written(bound) if name == 'duration' else bound}")
    return ", ".join(told)


def type_name(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """A type for people."""
    if any(one in metadata for one in DURATIONS):
        return "duration"
    if annotation == FilePath:
        return "path of a file"
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(inner[0], inner[1:])
    if origin in (Union, UnionType):
        return " or ".join(type_name(one) for one in inner if one is not NoneType)
    if origin is Literal:
        return " or ".join(map(code, inner))
    if annotation in TUPLES:
        return TUPLES[annotation]
    if origin in (list, tuple):
        return "list of texts"
    if origin is dict:
        return "names with values"
    if issubclass(annotation, StrEnum):
        return " or ".join(map(code, annotation))
    return PLAIN[annotation]


def default(field: FieldInfo) -> str:
    """The default of a key for people."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or value is PydanticUndefined or value in ("", (), [], {}):
        return "none"
    if isinstance(value, BaseModel):
        return " "
    if isinstance(value, bool):
        return code(str(value).lower())
    if type_name(field.annotation, field.metadata) == "duration":
        return code(written(value))
    return code(f"{value:g}" if isinstance(value, float) else value)


def shipped_signals() -> str:
    """What is measured without any configuration."""
    return table(
        ("signal", "form", "a series for each", "unit", "reads", "meaning"),
        (
            [
                code(name),
                one.form.form,
                codes(one.form.by),
                str(one.form.unit),
                codes(one.form.selectors()),
                one.form.description,
            ]
            for name, one in build_signals(shipped()[0]).items()
        ),
    )


def shipped_rules() -> str:
    """What is judged without any configuration, in the words of the pages."""
    signal_texts, rule_texts = shipped()
    signals = build_signals(signal_texts)
    found = []
    for name, rule in build_rules(rule_texts).items():
        signal = signals[rule.signal]
        unit = signal.form.unit
        found.append(
            [
                code(name),
                code(rule.signal),
                words.trigger(rule, signal),
                "; ".join(words.gates(rule, unit)) or "none",
                words.cleared(rule, unit),
            ]
        )
    return table(("rule", "signal", "trigger and sustain", "gates", "over when"), found)
