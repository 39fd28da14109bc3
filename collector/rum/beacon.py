"""A beacon as it is sent: strict types, bounded strings and lists, and one decoder.

msgspec refuses NaN, Infinity, 1e999, `"5"` and `true` for numbers, and checks every bound while it
decodes. Numbers that are possible JSON and impossible measurements are left to `vitals`, so that
one broken metric does not take the others with it. Unknown keys are ignored: a newer beacon may
reach an older receiver.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from collector.rum.refusal import Refusal, RefusedError

MOST_BYTES = 16 * 1024
MOST_METRICS = 40
MOST_ERRORS = 5
MOST_SEQUENCE = 999

Text16 = Annotated[str, Meta(max_length=16)]
Text24 = Annotated[str, Meta(max_length=24)]
Text64 = Annotated[str, Meta(max_length=64)]
Text80 = Annotated[str, Meta(max_length=80)]
Text120 = Annotated[str, Meta(max_length=120)]
Text160 = Annotated[str, Meta(max_length=160)]
Text600 = Annotated[str, Meta(max_length=600)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Route = Annotated[str, Meta(min_length=1, max_length=200)]
View = Annotated[str, Meta(min_length=8, max_length=40, pattern="^[A-Za-z0-9_-]+$")]


class Attribution(Struct, gc=False):
    """What an LCP or INP value is about: element, resource, script, and its parts (whole ms)."""

    element: Text80 = field(name="e", default="")
    resource: Text120 = field(name="x", default="")
    interaction: Text16 = field(name="y", default="")
    parts_ms: Annotated[tuple[float, ...], Meta(max_length=4)] = field(name="d", default=())
    script: Text120 = field(name="s", default="")
    function: Text80 = field(name="f", default="")


class Metric(Struct, gc=False):
    """One value of one metric; `value` in milliseconds, of CLS the score."""

    name: Text24 = field(name="n")
    id: Name = field(name="i")
    value: float = field(name="v")
    navigation: Text24 = field(name="t", default="navigate")
    route: Route = field(name="u", default="/")
    attribution: Attribution | None = field(name="a", default=None)


class PageError(Struct, gc=False):
    """An error of a page. It is counted; its texts are read and thrown away."""

    message: Text160 = field(name="m")
    stack: Text600 = field(name="s", default="")
    route: Route = field(name="u", default="/")


class Beacon(Struct, gc=False):
    """One request of a browser, version 1; see docs/rum-protocol.md."""

    version: Literal[1] = field(name="v")
    key: Name = field(name="k")
    view: View = field(name="p")
    sequence: Annotated[int, Meta(ge=0, le=MOST_SEQUENCE)] = field(name="s")
    metrics: Annotated[list[Metric], Meta(max_length=MOST_METRICS)] = field(name="m")
    errors: Annotated[list[PageError], Meta(max_length=MOST_ERRORS)] = field(
        name="e", default_factory=list
    )
    release: Text64 = field(name="rel", default="")
    rate: Annotated[float, Meta(gt=0, le=1)] = field(name="r", default=1.0)
    device: Literal["m", "t", "d"] = field(name="dt", default="d")
    connection: Text16 = field(name="ct", default="")
    saves_data: Literal[0, 1] = field(name="sd", default=0)
    memory_gib: float = field(name="mem", default=0.0)
    processors: float = field(name="cpu", default=0.0)
    driven: Literal[0, 1] = field(name="wd", default=0)


_decoder = msgspec.json.Decoder(Beacon)


def decode(body: bytes) -> Beacon:
    """The beacon in a body, or a `RefusedError`: whatever else the bytes are.

    Brackets nested beyond the interpreter's stack end in a RecursionError, which is no fault of
    ours and must not look like one.
    """
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise RefusedError(Refusal.NESTED) from None
    except (msgspec.MsgspecError, ValueError):
        raise RefusedError(Refusal.MALFORMED) from None
