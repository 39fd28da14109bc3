"""What things are called for ever: regressions by what they are about, rows by what made them."""

import hashlib
import json

from detector.regression import Kind
from storage.series import Labels


def fingerprint(rule: str, signal: str, labels: Labels, kind: Kind = Kind.REGRESSION) -> str:
    """What a regression is about; at most one with the same fingerprint is not over."""
    better = [str(kind)] if kind is Kind.IMPROVEMENT else []
    text = json.dumps([rule, signal, labels.as_dict(), *better], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(prefix: str, *parts: object) -> str:
    """A stable id: the same parts give the same id, so that a repeated tick makes no second row."""
    text = json.dumps(parts, default=str)
    return f"{prefix}_{hashlib.sha256(text.encode()).hexdigest()[:16]}"
