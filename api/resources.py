"""Which methods a path has: for 405 with a true `Allow`, and before the body is looked at."""

import re
from collections.abc import Iterable

from starlette.routing import BaseRoute, Route


class Resources:
    """The paths of an application and the methods of each, over all routes that share a path."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self.known: list[tuple[str, re.Pattern[str], frozenset[str]]] = [
            (one.path, one.path_regex, frozenset(one.methods or ()))
            for one in routes
            if isinstance(one, Route)
        ]

    def methods(self, path: str) -> frozenset[str]:
        """The methods that a path can be asked with; empty for one that is not there."""
        # `/silences/preview` is no silence, though its address would fit one.
        found = [methods for plain, _, methods in self.known if plain == path]
        found = found or [methods for _, pattern, methods in self.known if pattern.match(path)]
        return frozenset().union(*found)

    def refuses(self, method: str, path: str) -> bool:
        """Whether the path is there and the method is not."""
        found = self.methods(path)
        return bool(found) and method not in found
