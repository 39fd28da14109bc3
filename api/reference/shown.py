"""What pages show beside signals: outcomes around a deployment, and figures of raw samples."""

from api.figures import FIGURES, About, How
from api.reference.reasons import described
from api.reference.tables import code, table
from detector.comparison import LEAST_EFFECT, LEAST_WINDOWS, Outcome

OUTCOMES = {
    Outcome.WORSE: "The medians are further apart than their intervals allow, and by "
    f"{100 * LEAST_EFFECT:g} % or more, the way that rules call worse.",
    Outcome.BETTER: "The same the other way.",
    Outcome.MOVED: "The same, of a signal that no rule judges: nobody says which way is worse.",
    Outcome.USUAL: "The medians differ as much, but no more than on other days at that time.",
    Outcome.STEADY: "The medians are within what their intervals allow, or within "
    f"{100 * LEAST_EFFECT:g} %.",
    Outcome.UNKNOWN: f"Fewer than {LEAST_WINDOWS} effective windows on one side. Never the same as "
    "steady.",
}
PLACES = {
    About.PROCESS: "resources",
    About.HOST: "resources",
    About.CACHE: "cache",
    About.GROUP: "cache, by group of keys",
}
WAYS = {
    How.LEVEL: "average of the samples, several series added",
    How.HIGHEST: "largest sample",
    How.RATE: "increase per second, several series added",
}


def outcomes() -> str:
    """What a comparison around a deployment may say."""
    return described(Outcome, OUTCOMES, "outcome")


def figures() -> str:
    """Every figure with the samples that it is made of."""
    rows = (
        (one.title, code(one.metric), ", ".join(map(code, one.by)) or "none", WAYS[one.how])
        for one in sorted(FIGURES, key=lambda one: PLACES[one.about], reverse=True)
    )
    return table(("figure", "of", "series by", "value of a step"), rows)
