"""What a user agent says: a family of browsers, and whether a person is behind it. Pure."""

import re

_ROBOTS = re.compile(
    rb"bot\b|bot/|crawl|spider|slurp|headless|lighthouse|pagespeed|phantomjs|puppeteer|playwright|"
    rb"selenium|cypress|electron-fetch|python|curl/|wget|libwww|httpclient|okhttp|go-http|java/|"
    rb"axios|node-fetch|scrapy|facebookexternalhit|embedly|preview|monitor|uptime|pingdom|ptst/|"
    rb"gtmetrix|datadog|synthetic|catchpoint|dareboost|speedcurve|chrome-aws|archive\.org|bingweb|"
    rb"googleother|apis-google|mediapartners|feedfetcher|yandex\.com/bots|petal|semrush|ahrefs",
    re.IGNORECASE,
)
# In this order: Edge and Opera call themselves Chrome too, Chrome calls itself Safari.
_FAMILIES = (
    (b"Edg", "edge"),
    (b"OPR/", "opera"),
    (b"SamsungBrowser", "samsung"),
    (b"Firefox/", "firefox"),
    (b"FxiOS", "safari"),
    (b"CriOS", "safari"),
    (b"Chrome/", "chrome"),
    (b"Safari/", "safari"),
)
OTHER = "other"
MOST_BYTES = 512
MOST_KNOWN = 4096


class Agents:
    """Families and robots by user agent; remembered by a hash of it, never by its text."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, bool]] = {}

    def read(self, agent: bytes) -> tuple[str, bool]:
        """(family, whether it is a robot); without a user agent it is a robot."""
        key = hash(agent)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[key] = family(agent), robot(agent)
        return found


def family(agent: bytes) -> str:
    """The family of browsers. All of iOS is Safari: they share its engine, and what it measures."""
    return next((name for mark, name in _FAMILIES if mark in agent), OTHER)


def robot(agent: bytes) -> bool:
    """Whether a user agent owns up to being a program."""
    return not agent or _ROBOTS.search(agent[:MOST_BYTES]) is not None
