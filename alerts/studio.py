"""Has charts drawn in a process that ends afterwards, so that its memory goes with it."""

import logging
import os
import signal
import subprocess
import sys

from alerts.drawing import Drawing

log = logging.getLogger(__name__)

MOST_SECONDS = 60.0
LARGEST_BYTES = 2 * 1024 * 1024
PNG = b"\x89PNG\r\n\x1a\n"
# The rest of the environment holds tokens that a drawing does not need.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "XDG_CACHE_HOME", "MPLCONFIGDIR")


class NotDrawnError(Exception):
    """There is no picture; the message says why and holds nothing of the drawing."""


def drawn(drawing: Drawing, seconds: float = MOST_SECONDS) -> bytes:
    """The drawing as a PNG; a NotDrawnError when it takes too long, fails, or is none."""
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "alerts.chart"],
            input=drawing.as_json().encode(),
            capture_output=True,
            timeout=seconds,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotDrawnError(f"the chart took longer than {seconds:g} s") from None
    except OSError as error:
        raise NotDrawnError(f"no process for the chart: {error.strerror}") from None
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        log.debug("the chart failed: %s", last)
        raise NotDrawnError(f"the chart ended with {ending(done.returncode)}")
    if not done.stdout.startswith(PNG) or len(done.stdout) > LARGEST_BYTES:
        raise NotDrawnError("what was drawn is no picture, or too large")
    return done.stdout


def ending(code: int) -> str:
    """How a process ended, in words."""
    return signal.Signals(-code).name if code < 0 else f"status {code}"
