"""Pages in the Prometheus text format, turned into samples. Pure.

The official parser decides what a line means. It is slow, and the lines of a page hardly change
from one scrape to the next but for their value: so a line whose head (everything before its last
blank, as bytes) was understood before only has its value read, and every other line goes through
the official parser. A page that has the lines of the two before it is read as a whole
(`collector.template`). All ways bring the same samples and refuse the same pages.

Timestamps written on a page are ignored (as with `honor_timestamps: false`): a sample is as old as
the scrape that saw it. Names stay as written: a counter `x` is not renamed to `x_total`.
"""

from collections.abc import Mapping, Sequence

from prometheus_client.openmetrics import parser as openmetrics

from collector.config import Limits
from collector.failure import CollectFailure, Failure
from collector.lines import Page, SeriesOfTarget, float_of, official
from collector.source import Collected, Drop
from collector.template import numbers

TEXT_TYPES = ("", "text/plain")
OPENMETRICS_TYPE = "application/openmetrics-text"


class Exposition:
    """The pages of one target, one after another.

    It remembers which heads of lines it has understood, so one object belongs to one target, and
    only one page is read at a time.
    """

    def __init__(
        self,
        added: Mapping[str, str],
        limits: Limits,
        *,
        allow: str | None = None,
        any_content_type: bool = False,
    ) -> None:
        self._limits = limits
        self._any_content_type = any_content_type
        self._series = SeriesOfTarget(added, limits, allow)

    @property
    def remembered_bytes(self) -> int:
        """About how much memory the remembered lines take: a few of the largest pages at most."""
        return self._series.remembered_bytes

    def read(self, body: bytes, content_type: str, at_ms: int) -> Collected:
        """The samples of a page, all at `at_ms`; CollectFailure `parse` when it is no such page."""
        is_openmetrics = self._is_openmetrics(content_type)
        text = _decoded(body)
        self._series.forget(at_ms)
        if not is_openmetrics and (again := self._series.again(body, at_ms)) is not None:
            return again
        page = Page(self._limits.samples)
        if is_openmetrics:
            self._read_openmetrics(text, page)
        else:
            lines = body.split(b"\n")
            page = self._read_text(lines, page)
            self._series.expect(lines, page)
        return self._series.collected(page, at_ms)

    def _is_openmetrics(self, content_type: str) -> bool:
        kind = content_type.split(";", 1)[0].strip().lower()
        if kind == OPENMETRICS_TYPE:
            return True
        if kind in TEXT_TYPES or self._any_content_type:
            return False
        raise CollectFailure(
            Failure.PARSE,
            "the Content-Type is neither text/plain nor application/openmetrics-text; serve the "
            "page as text/plain, or set any_content_type if it is in the text format",
        )

    def _read_text(self, lines: Sequence[bytes], page: Page) -> Page:
        heads, comments = self._series.heads, self._series.comments
        slots, tails = page.slots, list[bytes]()
        for number, line in enumerate(lines):
            head, _, tail = line.rpartition(b" ")
            slot = heads.get(head)
            if slot is not None:
                slots.append(slot)
                tails.append(tail)
            elif line not in comments:
                found = self._series.understand(line, number, page)
                if found is not None:
                    slots.append(found[0])
                    tails.append(found[1])
            if len(slots) + page.passed_over >= page.most:
                page.drop(Drop.SAMPLES, self._series.samples_among(lines[number + 1 :]))
                break
        values = numbers(tails)
        if values is None:
            # Something odd stands where a known line has its number: the official parser decides.
            return self._read_officially(lines)
        page.values = values.tolist()
        return page

    def _read_officially(self, lines: Sequence[bytes]) -> Page:
        page = Page(self._limits.samples)
        for number, line in enumerate(lines):
            sample = official(line, number) if self._series.wants(line) else None
            if sample is not None:
                page.admit(self._series.slot(sample), float_of(sample))
            if len(page.slots) + page.passed_over >= page.most:
                page.drop(Drop.SAMPLES, self._series.samples_among(lines[number + 1 :]))
                break
        return page

    def _read_openmetrics(self, text: str, page: Page) -> None:
        try:
            for family in openmetrics.text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
                for sample in family.samples:
                    if sample.native_histogram is not None:
                        page.drop(Drop.NATIVE_HISTOGRAM)
                    elif len(page.slots) + page.passed_over >= page.most:
                        page.drop(Drop.SAMPLES)
                    else:
                        page.admit(self._series.slot(sample), float_of(sample))
        except Exception:  # the parser raises whatever its input makes it trip over
            raise CollectFailure(Failure.PARSE, "the page is not in the OpenMetrics format") from (
                None
            )


def _decoded(body: bytes) -> str:
    if body.lstrip()[:1] == b"<":
        raise CollectFailure(Failure.PARSE, "this is an HTML or XML page, not metrics")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise CollectFailure(
            Failure.PARSE, f"the page is not UTF-8 from byte {error.start} on"
        ) from None
