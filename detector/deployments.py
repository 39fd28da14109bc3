"""Which deployment fits a change in time. Correlation, never more. Pure."""

from collections.abc import Iterable

from detector.regression import Deployment
from storage.series import Labels

BEFORE_MS = 30 * 60_000


def correlated(
    deployments: Iterable[Deployment], labels: Labels, began_lo_ms: int, began_hi_ms: int
) -> Deployment | None:
    """The deployment within 30 minutes before the change set in; None when none fits.

    One of the same service (the series' `service` or `target`) goes before any other, then the
    latest, because it is nearest to the change.
    """
    names = {labels.get("service"), labels.get("target")} - {""}
    near = [one for one in deployments if began_lo_ms - BEFORE_MS <= one.at_ms <= began_hi_ms]
    return max(near, key=lambda one: (one.service in names, one.at_ms, one.id), default=None)
