"""Takes the pictures of the pages that the README shows: the same shop at the same time, always.

    python -m publishing.pictures [FOLDER]    into docs/images when left out

The shop is that of the tests: eight days of generated history, ticks that are real, a clock that
stands. Chromium draws with the fonts of the machine, so pictures of two machines differ a little.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
from playwright.sync_api import sync_playwright

from tests.api.shop import NOW, close, shop_house
from tests.api.test_pages_browser import NO_NOISE, serving

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SHOWN = "api_response_time_regression"
WIDTH, SCALE = 1280, 1
SETTLED_MS = 1000  # charts are drawn within a frame or two of the data


@dataclass(frozen=True, slots=True)
class Picture:
    """One page in one scheme; `regression` in the path stands for the open one."""

    name: str
    path: str
    scheme: Literal["light", "dark"]
    height: int


PICTURES = (
    Picture("overview-light", "/", "light", 900),
    Picture("overview-dark", "/", "dark", 900),
    Picture("regression-light", "/regressions/{regression}", "light", 1000),
)


def take(folder: Path) -> list[Path]:
    """Take all of them; the files."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise FileNotFoundError("Chromium is not installed: apt-get install chromium")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        house = shop_house(Path(directory))
        try:
            with serving(house) as url, sync_playwright() as playwright:
                asked = f"{url}/api/v1/regressions?state=open"
                items = httpx.get(asked, trust_env=False).json()["items"]
                regression = next(one["id"] for one in items if one["rule"] == SHOWN)
                browser = playwright.chromium.launch(executable_path=chromium, args=list(NO_NOISE))
                files = []
                for one in PICTURES:
                    page = browser.new_page(
                        viewport={"width": WIDTH, "height": one.height},
                        device_scale_factor=SCALE,
                        color_scheme=one.scheme,
                        timezone_id="UTC",
                        locale="en-GB",
                        reduced_motion="reduce",
                    )
                    page.clock.set_fixed_time(NOW)
                    page.goto(url + one.path.format(regression=regression))
                    page.wait_for_load_state("load")
                    page.wait_for_timeout(SETTLED_MS)
                    file = folder / f"{one.name}.png"
                    page.screenshot(path=file)
                    page.close()
                    files.append(file)
                browser.close()
        finally:
            close(house)
    return files


def main(arguments: Sequence[str]) -> int:
    """The command."""
    for file in take(Path(arguments[0]) if arguments else IMAGES):
        sys.stdout.write(f"{file}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
