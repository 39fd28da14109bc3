"""Node's packages for tests: installed from a lock file, once, whoever asks first."""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.servers import missing, program

INSTALL_SECONDS = 300
STAMP = "node_modules/.plimsoll"


def installed(folder: Path) -> Path:
    """`folder`, with what its package-lock.json names in node_modules; else the end of the test."""
    npm = program("npm", package="npm, or run scripts/test")
    program("node", package="nodejs, or run scripts/test")
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / STAMP
    # Tests run in several processes.
    with (folder / "package-lock.json").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=INSTALL_SECONDS,
            )
            if done.returncode:
                missing(f"npm ci failed in {folder.name}: {done.stderr[-2000:]}")
            stamp.write_text(wanted)
    return folder


def run(*command: str | Path, cwd: Path) -> str:
    """What a command says; an AssertionError with all of it when it fails."""
    done = subprocess.run(
        [str(one) for one in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=INSTALL_SECONDS,
        env=os.environ | {"NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
