"""How often somebody may come: token buckets in bounded memory. Pure; time is an argument."""


class Rate:
    """A token bucket for each of at most `most` keys; the one that came longest ago is forgotten.

    Kept as one number a key, the time at which the bucket will be full again (the generic cell rate
    algorithm), so that nothing has to be refilled. Forgetting a key gives it a full bucket: with
    more keys than `most` at work the limit of a key loosens, the memory does not.
    """

    def __init__(self, per_second: float, burst: int, most: int) -> None:
        self._each_ms = 1000 / per_second
        self._slack_ms = self._each_ms * (burst - 1)
        self._most = most
        self._full_ms: dict[int, float] = {}

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._full_ms)

    def take(self, key: int, now_ms: float) -> bool:
        """Whether one more may come now."""
        known = self._full_ms
        full_ms = known.pop(key, now_ms)
        if full_ms <= now_ms:
            known[key] = now_ms + self._each_ms
        elif full_ms - now_ms <= self._slack_ms:
            known[key] = full_ms + self._each_ms
        else:
            known[key] = full_ms
            return False
        if len(known) > self._most:
            del known[next(iter(known))]
        return True
