"""The method one window at a time, for every series at once. Pure: the state goes in and comes out.

The evidence is the same to the bit as that of `Method.judge` over the whole history: a restart, a
replay and the bench see what the tick saw.
"""

from dataclasses import dataclass, replace

import numpy as np

from detector.assessment import Assessment
from detector.calibration import medians, thresholds, usual
from detector.evidence import level, lower_quartile, ordered_pieces
from detector.expected import middle, ordered, same_hours_now
from detector.method import Limits, Method
from storage.history import Flags, Floats


@dataclass(frozen=True, slots=True)
class State:
    """What `step` carries from window to window: `[series, ...]`.

    `residual` `[.., 2, windows]`: the last windows as they are and against the same hours.
    `quartile`, `week` `[.., 2, spans]`: the quartile as last renewed, and its level of the week.
    `day` `[.., 2, windows]`: the level of the day, as it was at each of the last windows.
    `quartile_medians`, `tops`, `medians`: the complete blocks, newest last; `top`,
    `sampled_quartiles`, `sampled`: the block that is filling.
    """

    slot: int  # of the newest window
    residual: Floats
    quartile: Floats
    week: Floats
    day: Floats
    quartile_medians: Floats
    tops: Floats
    medians: Floats
    sampled_quartiles: Floats
    sampled: Floats
    top: Floats
    limits: Limits


def fit(method: Method, histories: Floats, first_slot: int, learnt: Flags | None = None) -> State:
    """What `step` needs, from the past: `[series, windows]`, NaN where there was none."""
    recent = np.full((len(histories), method.reach), np.nan)
    state = empty(method, len(histories), first_slot - 1)
    for column in range(histories.shape[1]):
        recent = np.concatenate([recent[:, 1:], histories[:, column : column + 1]], axis=1)
        state, _ = step(method, state, recent, None if learnt is None else learnt[:, column])
    return state


def empty(method: Method, series: int, slot: int) -> State:
    """Nothing known yet of so many series; `slot` is the window before the first."""
    spans, statistics, memory = len(method.spans), method.rows[-1].stop, method.memory
    samples = -(-memory.block // memory.stride)

    def unknown(*shape: int) -> Floats:
        return np.full((series, *shape), np.nan)

    blank = unknown(statistics)
    return State(
        slot=slot,
        residual=unknown(2, _kept(method)),
        quartile=unknown(2, spans),
        week=unknown(2, spans),
        day=unknown(2, method.spans[-1].windows + 1),
        quartile_medians=unknown(2, spans, memory.level_blocks + memory.left_out),
        tops=np.full((series, statistics, memory.kept), -np.inf),
        medians=unknown(statistics, memory.kept),
        sampled_quartiles=unknown(2, spans, samples),
        sampled=unknown(statistics, samples),
        top=np.full((series, statistics), -np.inf),
        limits=Limits(blank, np.full_like(blank, np.inf)),
    )


def _kept(method: Method) -> int:
    """How many residuals a span, a level of the day and their renewal reach back."""
    longest = max(span.windows + span.piece for span in method.spans)
    return max(longest, method.per_day + method.day_every, 2 * method.hour + method.hour)


def step(
    method: Method, state: State, recent: Floats, learnt: Flags | None = None
) -> tuple[State, Assessment]:
    """One window of every series: the evidence `[series, spans, 1]`, and the state after it.

    `recent` is `[series, reach]`, the window judged last; it is the one after `state.slot`.
    Series that are not `learnt` from now add nothing to what their thresholds are made of.
    """
    slot = state.slot + 1
    if slot % method.memory.block == 0:
        state = _closed(method, state)
    same = same_hours_now(recent, method.per_day, method.around)
    newest = np.stack([recent[:, -1], recent[:, -1] - same], axis=-1)
    residual = np.concatenate([state.residual[..., 1:], newest[..., None]], axis=-1)
    day = np.concatenate([state.day[..., 1:], _day(method, state, residual, slot)], axis=-1)
    quartile = _quartiles(method, state, residual, slot)
    statistics = _now(method, quartile, state.week, day, residual)
    limits = Limits(state.limits.centre.T, state.limits.beyond.T)
    agreeing, suspecting, effect, least = (
        np.moveaxis(part, 0, -2) for part in method.weigh(statistics.T[..., None], limits)
    )
    assessment = Assessment(agreeing, suspecting, effect, least, method.floors, method.agreement)
    known, known_quartile = statistics, quartile
    if learnt is not None:
        known = np.where(learnt[:, None], statistics, np.nan)
        known_quartile = np.where(learnt[:, None, None], quartile, np.nan)
    sampled, sampled_quartiles = state.sampled, state.sampled_quartiles
    place, odd = divmod(slot % method.memory.block, method.memory.stride)
    if odd == 0:
        sampled, sampled_quartiles = sampled.copy(), sampled_quartiles.copy()
        sampled[..., place], sampled_quartiles[..., place] = known, known_quartile
    return replace(
        state,
        slot=slot,
        residual=residual,
        quartile=quartile,
        day=day,
        sampled=sampled,
        sampled_quartiles=sampled_quartiles,
        top=np.fmax(state.top, known),
    ), assessment


def _closed(method: Method, state: State) -> State:
    """The state at the beginning of a block: the last one summed up, thresholds renewed."""
    memory = method.memory

    def pushed(kept: Floats, newest: Floats) -> Floats:
        return np.concatenate([kept[..., 1:], newest[..., None]], axis=-1)

    quartile_medians = pushed(state.quartile_medians, medians(state.sampled_quartiles))
    top, median = pushed(state.tops, state.top), pushed(state.medians, medians(state.sampled))
    return replace(
        state,
        quartile_medians=quartile_medians,
        week=usual(quartile_medians[..., : memory.level_blocks], 2),
        tops=top,
        medians=median,
        sampled_quartiles=np.full_like(state.sampled_quartiles, np.nan),
        sampled=np.full_like(state.sampled, np.nan),
        top=np.full_like(state.top, -np.inf),
        limits=Limits(
            *thresholds(
                top[..., : memory.blocks],
                median[..., : memory.blocks],
                memory.least,
                method.per_block,
                method.strictness,
            )
        ),
    )


def _day(method: Method, state: State, residual: Floats, slot: int) -> Floats:
    """The level of the day at this slot, `[series, 2, 1]`: renewed, or as it was."""
    if slot % method.day_every:
        return state.day[..., -1:]
    used = residual[..., -method.per_day :]
    return level(used, slot + 1 - used.shape[-1], method.per_day, method.day_every)[..., -1:]


def _quartiles(method: Method, state: State, residual: Floats, slot: int) -> Floats:
    """The lower quartile of every span, `[series, 2, spans]`: renewed, or as it was."""
    result = state.quartile.copy()
    for number, span in enumerate(method.spans):
        if slot % span.piece == 0:
            used = residual[..., -span.windows :]
            at = slice(span.piece - 1, None, span.piece)
            in_order = ordered_pieces(used, at, span)[..., -1, :]
            result[..., number] = lower_quartile(in_order, span)
    return result


def _now(method: Method, quartile: Floats, week: Floats, day: Floats, residual: Floats) -> Floats:
    """`[series, statistics]` of this slot."""
    result = np.empty((len(quartile), method.rows[-1].stop))
    for season in (0, 1):
        for number, span in enumerate(method.spans):
            row = method.rows[number].start + season * method.levels(number)
            now, back = quartile[:, season, number], span.windows
            result[:, row] = now - week[:, season, number]
            result[:, row + 1] = now - day[:, season, -1 - back]
            if number < method.short:
                hour = residual[:, season, -back - method.hour : -back]
                result[:, row + 2] = now - middle(ordered(hour))
    return result
