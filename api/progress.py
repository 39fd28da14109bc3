"""A progress bar on the command line."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

err = Console(stderr=True, highlight=False, soft_wrap=True)

BAR_AFTER_SECONDS = 2.0


@contextmanager
def bar(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for what takes longer than a person waits without asking."""
    from rich.progress import Progress

    progress = Progress(console=err, transient=True, disable=not err.is_terminal)
    task = progress.add_task(text, total=None)
    shown = threading.Timer(BAR_AFTER_SECONDS, progress.start)
    shown.daemon = True
    shown.start()
    try:
        yield lambda done, total: progress.update(task, completed=done, total=total)
    finally:
        shown.cancel()
        shown.join()
        progress.stop()
