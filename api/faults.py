"""What pydantic finds in a configuration, said with the keys of the file and a hint."""

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from api.document import Document, Fault
from detector.form import Gauge, Mean, Promql, Quantile, Rate, Ratio, Share

FORMS: dict[str, type[BaseModel]] = {
    "quantile": Quantile,
    "mean": Mean,
    "share": Share,
    "ratio": Ratio,
    "rate": Rate,
    "gauge": Gauge,
    "promql": Promql,
}
OF_ANOTHER_KIND = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "must be true or false"),
    "string_type": "must be text",
}
"""What is said of a value that is none of its kind, in a file as in a request."""

HINTS = {
    "union_tag_not_found": (
        "has no `form`",
        f"Choose one of {', '.join(FORMS)}.",
    ),
    "union_tag_invalid": ("`form` is none of the forms", "Choose one of {expected}."),
    "model_type": ("must hold keys with values", "Write its keys below it, indented."),
    "model_attributes_type": ("must hold keys with values", "Write its keys below it, indented."),
    "dict_type": ("must hold keys with values", "Write its keys below it, indented."),
    "list_type": ("must be a list", "Write each entry on a line of its own that begins with `- `."),
    "tuple_type": ("must be a list", "Write it like [target, route]."),
    **{kind: (words, "") for kind, words in OF_ANOTHER_KIND.items()},
    "string_type": (
        OF_ANOTHER_KIND["string_type"],
        "Put it in quotes, if YAML takes it for something else.",
    ),
    "path_not_file": ("there is no such file", "Check the path and who may read it."),
}


def fault(
    document: Document, prefix: tuple[str, ...], error: ErrorDetails, model: type[BaseModel]
) -> Fault:
    """A fault from what pydantic found: with the key as it stands in the file, and a hint."""
    path = located(document, prefix, error["loc"])
    if error["type"] == "extra_forbidden":
        parent = at(document.data, path[:-1])
        siblings = known_keys(model, error["loc"][:-1])
        return unknown(document, path, [*siblings, *(parent if isinstance(parent, dict) else {})])
    reason, hint = HINTS.get(error["type"], ("", ""))
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return Fault(".".join(path), "is missing", f"Add `{path[-1]}:`.", document.line(path))
    expected = (error.get("ctx") or {}).get("expected_tags") or ""
    hint = hint.format(expected=str(expected).replace("'", ""))
    return Fault(".".join(path), reason or plain(message), hint, document.line(path))


def plain(message: str) -> str:
    """A message of pydantic as part of a sentence."""
    return message[:1].lower() + message[1:]


def located(
    document: Document, prefix: tuple[str, ...], location: tuple[int | str, ...]
) -> tuple[str, ...]:
    """The path of a fault in the file: pydantic also names the chosen form, which is no key."""
    path, node = prefix, at(document.data, prefix)
    for i, part in enumerate(location):
        if i == 0 and part in FORMS and prefix[:1] == ("signals",):
            continue
        path = (*path, str(part))
        node = at(node, (str(part),))
    return path


def at(data: Any, path: tuple[str, ...]) -> Any:
    """What stands at a path; None where nothing does."""
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and part.isdigit() and int(part) < len(data):
            data = data[int(part)]
        else:
            return None
    return data


def known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that a model knows at a place, as far as plain models reach."""
    for part in location:
        found = model.model_fields.get(str(part))
        inner = found.annotation if found else None
        for candidate in (inner, *getattr(inner, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                model = candidate
                break
    return [info.alias or name for name, info in model.model_fields.items()]


def near(name: str, known: Iterable[str]) -> str:
    """What may have been meant; empty where nothing is called alike."""
    found = difflib.get_close_matches(name, sorted(known), 1)
    return f"Did you mean {found[0]}?" if found else ""


def unknown(document: Document, path: tuple[str, ...], known: Iterable[str]) -> Fault:
    """The fault of a key that nobody reads."""
    names = sorted(set(known) - {path[-1]})
    hint = near(path[-1], names) or f"Known here: {', '.join(names)}."
    return Fault(".".join(path), "is no known key", hint, document.line(path))
