"""Secrets taken out of text before it is logged, stored or shown."""

import re

_SECRET = re.compile(
    r"xox[a-z]{1,2}(?:\.xox[a-z])?-[A-Za-z0-9-]*"  # bot, user, refresh and configuration tokens
    r"|xapp-[A-Za-z0-9-]*"
    r"|(?<=hooks\.slack\.com/)(?:services|workflows|triggers)/[^\s\"'<>)]*"
    r"|(?<=/)services/T[A-Za-z0-9]+/B[A-Za-z0-9]+/[^\s\"'<>)]*"  # the same path behind a proxy
    r"|(?<=Bearer )\S+"
    r"|(?<=://)[^/\s@]+@"
)
LONGEST = 500


def redacted(text: str) -> str:
    """The text without tokens and webhook paths, on one line, cut to a length fit for a log."""
    return _SECRET.sub("***", " ".join(text.split()))[:LONGEST]
