"""Which route template answered a request, read after the application has routed it.

Frameworks are known by the shape of their route objects only. Three facts make this more than
reading `scope["route"].path`:

* FastAPI 0.137 and newer keep the prefixes of `include_router()` out of the route; they stand in a
  context object under the private key `scope["fastapi"]`.
* A mount expands its template into `root_path` (`/sub/t9`), so the template has to be found by
  matching the mounts again.
* Plain Starlette routes under FastAPI (`/docs`) leave an endpoint in the scope and no route.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from plimsoll_client.asgi import Scope, header

UNMATCHED = "__unmatched__"
REST_OF_PATH = "/{path}"
TEMPORARY_REDIRECT = 307  # what the router answers when only a slash at the end is wrong
MAX_WRAPPERS = 16


def template(scope: Scope, status: int) -> str:
    """The template of the route that answered; `__unmatched__` when there is none.

    A request that an inner middleware answered before routing (a 401, a CORS preflight) counts for
    the route it would have reached. So does the redirect that mends a slash at the end.
    """
    no_mount = "app_root_path" not in scope  # and so no prefix to find
    known = stated(scope) if no_mount else None
    if known is not None:
        return known
    path = path_below_proxy(scope)
    frontend = frontend_template(scope, path) if no_mount else None
    if frontend is not None:
        return frontend
    endpoint = scope.get("endpoint")
    if endpoint is None and "router" in scope and status != TEMPORARY_REDIRECT:
        return UNMATCHED  # the router looked already: scanners do not make it look twice
    outermost = scope.get("router") or scope.get("app")
    routes = getattr(outermost, "routes", ())
    found = search(routes, path, Wanted(scope, endpoint))
    if found is None and status == TEMPORARY_REDIRECT:
        mended = path.rstrip("/") if path.endswith("/") else path + "/"
        found = search(routes, mended, Wanted(scope, None))
    return UNMATCHED if found is None else found


def stated(scope: Scope) -> str | None:
    """What the framework itself says, relative to the innermost mount; `None` when it does not.

    The endpoint tells whether a context or route is the selected one or left over from a mount.
    """
    endpoint = scope.get("endpoint")
    if endpoint is None:
        return None
    fastapi = scope.get("fastapi")
    if fastapi is not None:
        context = fastapi.get("effective_route_context")
        if getattr(context, "endpoint", None) is endpoint:
            return format_of(context)
    route = scope.get("route")
    if getattr(route, "endpoint", None) is endpoint:
        return format_of(route)
    return None


def format_of(route: Any) -> str | None:
    """The path of a route without convertors: `/things/{id}`, not `/things/{id:int}`."""
    path = getattr(route, "path_format", None) or getattr(route, "path", None)
    return path if isinstance(path, str) else None


def frontend_template(scope: Scope, path: str) -> str | None:
    """The template of files served by `app.frontend()`, which have neither route nor endpoint."""
    file = (scope.get("fastapi") or {}).get("frontend_path")
    return None if file is None else path.removesuffix(file).rstrip("/") + REST_OF_PATH


def path_below_proxy(scope: Scope) -> str:
    """The path as the outermost router sees it: without the prefix that a proxy put in front."""
    path: str = scope["path"]
    root_path: str = scope.get("app_root_path", scope.get("root_path", ""))
    if root_path and (path == root_path or path.startswith(root_path + "/")):
        return path[len(root_path) :]
    return path


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is being looked for: the route of `endpoint`, or with `None` the one that matches."""

    scope: Scope
    endpoint: object | None


def search(routes: Sequence[Any], path: str, wanted: Wanted) -> str | None:
    """Route `path` again, in the order of the router, and give the whole template.

    As in the router, a route that fits but for the method is the answer if no other fits wholly.
    """
    method = wanted.scope["method"]
    but_for_the_method = None
    for route in effective(routes):
        if hasattr(route, "host_regex"):
            if route.host_regex.match(host(wanted.scope)):
                found = search_below(route, path, wanted)
                if found is not None or wanted.endpoint is None:
                    return found
            continue
        regex = getattr(route, "path_regex", None)
        if regex is None:
            continue
        if hasattr(route, "routes"):
            match = regex.match(path)
            if match:
                found = search_below(route, "/" + match.group("path"), wanted)
                if found is not None:
                    return str(route.path_format).removesuffix(REST_OF_PATH) + found
                if wanted.endpoint is None:  # the router does not come back from a mount
                    return None
        elif hasattr(route, "methods") and wanted.endpoint in (None, route.endpoint):
            if not regex.match(path):
                continue
            if not route.methods or method in route.methods:
                return format_of(route)
            but_for_the_method = but_for_the_method or format_of(route)
    return but_for_the_method


def search_below(mount: Any, path: str, wanted: Wanted) -> str | None:
    """Go on inside a mount or host; one that hides its routes is one template as a whole."""
    routes = routes_of(mount)
    if routes:
        return search(routes, path, wanted) or frontend_template(wanted.scope, path)
    return stated(wanted.scope) or REST_OF_PATH


def routes_of(mount: Any) -> Sequence[Any]:
    """The routes inside a mount, also through middleware that wraps the mounted application."""
    app = mount
    for _ in range(MAX_WRAPPERS):
        routes = getattr(app, "routes", None)
        if routes:
            return routes  # type: ignore[no-any-return]
        app = getattr(app, "app", None)
    return ()


def effective(routes: Sequence[Any]) -> Iterator[Any]:
    """All routes of one router, those of included routers with their whole path."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context


def host(scope: Scope) -> str:
    """The host that was asked for, without its port."""
    name = header(scope, b"host")
    return name if name.endswith("]") else name.rsplit(":", 1)[0]
