"""What a rule asks of its signal that the signal cannot give: told before anything is judged."""

from collections.abc import Iterator

from detector.form import Promql, Quantile, Ratio, Share
from detector.rule import Rule
from detector.signal import Signal
from detector.trigger import Burn, Distribution


def disagreements(rule: Rule, signal: Signal) -> Iterator[tuple[str, str]]:
    """Reason and hint for each kind of trigger that the form of the signal does not bear."""
    triggers = [rule.trigger, *([rule.critical_when] if rule.critical_when else [])]
    leaves = [leaf for one in triggers for _, leaf in one.leaves()]
    form, name = signal.form, rule.signal
    if any(isinstance(leaf, Distribution) for leaf in leaves) and not isinstance(form, Quantile):
        yield (
            "a distribution is one of a histogram",
            f"{name} is a {form.form}; only form: quantile keeps buckets.",
        )
    burns = [leaf for leaf in leaves if isinstance(leaf, Burn)]
    if burns and not isinstance(form, Ratio | Share | Promql):
        yield (
            "an error budget is spent by a share of events",
            f"{name} is a {form.form}; take a signal of form: ratio or form: share.",
        )
    elif isinstance(form, Share) and any(leaf.upwards for leaf in burns):
        yield (
            "the signal is the share of what is good, and `above` is for a share of errors",
            "Write `burn: {below: ...}`, with the same number.",
        )
