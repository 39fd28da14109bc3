"""The beacon as it was built: its files, their digests and how they are asked for.

`beacon/` holds the source; `beacon/build.js` writes these files, and a test compares the two.
"""

import base64
import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILES = Path(__file__).parent / "static/beacon"
DIGEST_CHARACTERS = 12
NAMES = ("js", "mjs", "attr.js", "attr.mjs")
"""What stands behind `beacon.`: script or module, core or with attribution."""

ASKED = re.compile(rf"(attr\.)?(?:([0-9a-f]{{{DIGEST_CHARACTERS}}})\.)?(js|mjs)")


@dataclass(frozen=True, slots=True)
class Built:
    """One built file."""

    name: str
    """Its alias, such as `beacon.attr.js`."""
    plain: bytes
    """As browsers run it."""
    brotli: bytes
    """The same, packed."""
    gzipped: bytes
    """The same for what speaks no brotli."""

    @property
    def digest(self) -> str:
        """The part of its address that changes with its content."""
        return hashlib.sha256(self.plain).hexdigest()[:DIGEST_CHARACTERS]

    @property
    def integrity(self) -> str:
        """What a page says so that no other script is run in its place (W3C SRI)."""
        digest = hashlib.sha384(self.plain).digest()
        return f"sha384-{base64.b64encode(digest).decode()}"

    @property
    def address(self) -> str:
        """Its name with the digest in it, such as `beacon.attr.0123456789ab.js`."""
        stem, _, ending = self.name.rpartition(".")
        return f"{stem}.{self.digest}.{ending}"


@cache
def built(name: str) -> Built:
    """A built file by what stands behind `beacon.`: one of `NAMES`."""
    file = FILES / f"beacon.{name}"
    plain = file.read_bytes()
    packed = (FILES / f"{file.name}.br").read_bytes()
    return Built(file.name, plain, packed, gzip.compress(plain, 9, mtime=0))


def asked(name: str) -> tuple[Built, bool] | None:
    """The file that `beacon.NAME` asks for, and whether by its own digest; None: there is none.

    The digest of another version is answered with this one: pages that were made before an update
    go on being measured. Only what carries its own digest may be kept for good.
    """
    found = ASKED.fullmatch(name)
    if found is None:
        return None
    attributed, digest, ending = found.groups()
    file = built(f"{attributed or ''}{ending}")
    return file, digest == file.digest
