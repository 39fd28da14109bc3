"""`plimsoll beacon`: what a page needs to be measured, ready to be pasted."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Annotated

import typer

from api.built import FILES, built
from api.settings import FILE, load
from collector.rum.config import RumApp

commands = typer.Typer(
    help="The script that measures pages in your users' browsers.", no_args_is_help=True
)

FIRST_PARTY = re.compile(r"(/[A-Za-z0-9_-]+)+")
ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
PACKAGE = ("package.json", "beacon.d.ts", "beacon.mjs", "beacon.attr.mjs")
MOST_RELEASE_CHARACTERS = 64
MOST_KEY_CHARACTERS = 64

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a page wants of its beacon."""

    key: str
    """The public key of the application."""
    place: str
    """Where browsers find it: a path of the site itself, or another origin."""
    release: str = ""
    """Such as `web@1.4.2`; empty: it is not told."""
    rate: float = 1.0
    """The share of page views that is measured, 0 to 1."""
    attribution: bool = False
    """Whether LCP and INP tell where their time went."""
    module: bool = False
    """Whether the page imports it."""
    latest: bool = False
    """Whether each visit asks for the newest one, whatever its digest."""

    @property
    def first_party(self) -> bool:
        """Whether it comes from the site's own origin."""
        return self.place.startswith("/")


def place(value: str) -> str:
    """A path such as `/vitals` or an origin such as `https://plimsoll.example`."""
    value = value.rstrip("/")
    if not FIRST_PARTY.fullmatch(value) and not ORIGIN.fullmatch(value):
        raise typer.BadParameter(
            "a path of your site such as /vitals, or an origin such as https://plimsoll.example"
        )
    return value


@commands.command(epilog="Example: [bold]plimsoll beacon snippet --app shop --release web@1.4.2[/]")
def snippet(
    app: Annotated[str, typer.Option(help="The app, by its name in `collector.rum.apps`.")],
    url: Annotated[
        str,
        typer.Option(
            callback=place, help="Where browsers find it: a path of your site, or an origin."
        ),
    ] = "/vitals",
    release: Annotated[str, typer.Option(help="The release of the page.")] = "",
    rate: Annotated[
        float, typer.Option(min=0.0001, max=1, help="The share of page views that is measured.")
    ] = 1.0,
    attribution: Annotated[
        bool, typer.Option("--attribution", help="Tell which element and script LCP and INP are.")
    ] = False,
    module: Annotated[
        bool, typer.Option("--module", help="An import instead of a script.")
    ] = False,
    latest: Annotated[
        bool, typer.Option("--latest", help="No digest: the page survives updates of Plimsoll.")
    ] = False,
    config: Config = None,
) -> None:
    """Print the script tag with its digest, the CSP it needs, and the proxy in front."""
    for name, value, most in (
        ("--app", app, MOST_KEY_CHARACTERS),
        ("--release", release, MOST_RELEASE_CHARACTERS),
    ):
        if len(value) > most:
            raise typer.BadParameter(f"{most} characters at most", param_hint=name)
    settings = load(config)
    wanted = Wanted(
        key=key_of(app, settings.collector.rum.apps),
        place=url,
        release=release,
        rate=rate,
        attribution=attribution,
        module=module,
        latest=latest,
    )
    for line in told(wanted, settings.server.url):
        typer.echo(line)


def key_of(name: str, apps: Sequence[RumApp]) -> str:
    """The public key of an app; where none is configured, the name as the key to give it."""
    for one in apps:
        if one.name == name:
            return one.key
    if apps:
        known = ", ".join(one.name for one in apps)
        told = f"there is no app {name!r}; known are: {known}"
        raise typer.BadParameter(told, param_hint="--app")
        raise typer.BadParameter(
            f"there is no app {name!r}; known are: {known}", param_hint="--app"
        )
    typer.echo(
        f"note: no app is configured, so {name!r} is taken for its key: beacons are dropped until "
        "`collector.rum.apps` has it",
        err=True,
    )
    return name


def told(wanted: Wanted, upstream: str) -> Iterator[str]:
    """All that a page needs; `upstream` is where Plimsoll listens."""
    if wanted.module:
        yield "// In the first module of the page."
        yield from imported(wanted)
    else:
        yield "<!-- Into <head>, before other scripts. -->"
        yield from tag(wanted)
    origin = "'self'" if wanted.first_party else wanted.place
    yield ""
    yield "# Content-Security-Policy: add to yours, if you have one."
    if not wanted.module:
        yield f"script-src {origin};"
    yield f"connect-src {origin};"
    server = "your site" if wanted.first_party else wanted.place
    yield ""
    yield f"# nginx, in the server of {server}: the beacon and nothing else of Plimsoll."
    yield from proxy(wanted.place if wanted.first_party else "", upstream)


def tag(wanted: Wanted) -> Iterator[str]:
    """The script tag. Its digest lets a browser refuse anything else in its place (SRI)."""
    file = built("attr.js" if wanted.attribution else "js")
    yield f'<script async src="{wanted.place}/{file.name if wanted.latest else file.address}"'
    if not wanted.latest:
        yield f'  integrity="{file.integrity}" crossorigin="anonymous"'
    attributes = {"app": wanted.key, "release": wanted.release}
    if wanted.rate < 1:
        attributes["rate"] = f"{wanted.rate:g}"
    shown = " ".join(f'data-{key}="{escape(value)}"' for key, value in attributes.items() if value)
    yield f"  {shown}></script>"


def imported(wanted: Wanted) -> Iterator[str]:
    """The import of the package that `plimsoll beacon package` writes, and its start."""
    yield f"import {{ start }} from 'plimsoll-beacon{'/attribution' * wanted.attribution}';"
    settings = {"app": quoted(wanted.key), "url": quoted(f"{wanted.place}/rum")}
    if wanted.release:
        settings["release"] = quoted(wanted.release)
    if wanted.rate < 1:
        settings["rate"] = f"{wanted.rate:g}"
    yield f"start({{ {', '.join(f'{key}: {value}' for key, value in settings.items())} }});"


def quoted(text: str) -> str:
    """A JavaScript string."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n") + "'"


def proxy(path: str, upstream: str) -> Iterator[str]:
    """An nginx location that passes on the beacon and what it sends.

    The name is matched as a whole: what else Plimsoll serves is not for users of the site. The
    site's cookies stay with the site.
    """
    yield rf"location ~ ^{path}/(rum|beacon\.[a-z0-9.]+)$ {{"
    yield f"    proxy_pass {upstream}/$1;"
    yield "    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
    yield '    proxy_set_header Cookie "";'
    yield "    client_max_body_size 16k;"
    yield "    access_log off;"
    yield "}"


@commands.command(epilog="Example: [bold]plimsoll beacon package vendor/plimsoll-beacon[/]")
def package(
    directory: Annotated[Path, typer.Argument(help="Where it goes; made when not there.")],
) -> None:
    """Write the beacon as a package for bundlers: two modules and their types, no dependencies."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name in PACKAGE:
            shutil.copyfile(FILES / name, directory / name)
    except OSError as error:
        typer.echo(f"error: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{directory}: add it with npm install ./{directory}")
