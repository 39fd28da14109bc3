"""Every command of the pages is run in its order, or stands on a short list with its proof."""

import ast
from collections.abc import Iterator

import pytest

from tests.shown.blocks import (
    PAGES,
    ROOT,
    Block,
    Command,
    commands,
    page_name,
    pattern,
    shown,
    unlike,
)
from tests.shown.places import ELSEWHERE, PLACES, elsewhere, place
from tests.shown.stage import Stage, Visit, stage

pytestmark = pytest.mark.long

TEXTS = {page_name(one): one.read_text(encoding="utf-8") for one in PAGES}
WITH_COMMANDS = [
    name for name, text in TEXTS.items() if any(isinstance(one, Block) for one in shown(text))
]
PROGRAMS = ("plimsoll", "curl", "pip", "npm", "docker", "./scripts/", "promtool", "uvx", "uv ")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The shop with its past, and all programs."""
    with stage(tmp_path_factory.mktemp("shown")) as made:
        yield made


@pytest.fixture(scope="module")
def run_before() -> set[str]:
    """Commands of runbooks that were run: they share a place, and many show the same ones."""
    return set()


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page_do_what_it_says(
    page: str, shop: Stage, run_before: set[str]
) -> None:
    where = place(page)
    assert where is not None, f"{page} shows commands: give it a place in tests/shown/places.py"
    shared = page.startswith("docs/runbooks/")
    visit = Visit(shop, page, where)
    try:
        for one in shown(TEXTS[page]):
            if isinstance(one, Block):
                here = [command for command in one.commands if not elsewhere(page, command.text)]
                new = [command for command in here if not shared or command.text not in run_before]
                visit.enter(Block(tuple(new)))
                run_before.update(command.text for command in new)
            else:
                visit.save(one)
    finally:
        visit.leave()


def test_every_place_belongs_to_a_page_with_commands() -> None:
    assert [page for page in PLACES if page not in WITH_COMMANDS] == []


@pytest.mark.parametrize("one", ELSEWHERE, ids=lambda one: f"{one.page}: {one.command}")
def test_what_is_not_run_here_is_still_shown_and_is_proved_elsewhere(one: object) -> None:
    assert one in ELSEWHERE
    found = next(listed for listed in ELSEWHERE if listed is one)
    entered = [
        command.text
        for block in shown(TEXTS[found.page])
        if isinstance(block, Block)
        for command in block.commands
    ]
    assert any(command.startswith(found.command) for command in entered)
    assert found.reason
    assert found.proofs
    for proof in found.proofs:
        file, _, name = proof.partition("::")
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], proof


def test_no_command_hides_in_a_fence_of_another_kind() -> None:
    from tests.shown.blocks import FENCE

    hidden = [
        f"{page}: {line}"
        for page, text in TEXTS.items()
        for found in FENCE.finditer(text)
        if found["kind"] in ("", "text", "bash", "shell")
        for line in found["text"].splitlines()
        if found["kind"] in ("", "bash", "shell") or line.removeprefix("$ ").startswith(PROGRAMS)
    ]
    assert hidden == []


# --- the harness itself ------------------------------------------------------------------------


def test_a_line_that_goes_on_is_one_command_and_a_remark_is_none() -> None:
    text = "curl -s \\\n  http://x\n# a remark\n\nplimsoll check  # says ok\n"

    assert [one.text for one in commands("sh", text)] == ["curl -s    http://x", "plimsoll check"]


def test_a_console_shows_what_a_command_prints() -> None:
    text = "$ plimsoll check\nok: the defaults\n$ plimsoll signals\n"

    assert list(commands("console", text)) == [
        Command("plimsoll check", ("ok: the defaults",)),
        Command("plimsoll signals"),
    ]


@pytest.mark.parametrize(
    ("shown_line", "printed", "alike"),
    [
        ("ok: 3 targets", "ok: 12 targets", True),
        ("ok:   3 targets", "ok: 3   targets", True),
        ("api_p95/0123456789ab  GET", "api_p95/ffffffffffff GET", True),
        ("made ... by ada", "made a long time ago by ada", True),
        ("ok: 3 targets", "error: 3 targets", False),
        ("[x] (y)", "[x] (y)", True),
        ("[x]", "x", False),
    ],
)
def test_shown_lines_are_compared_without_numbers_and_ids(
    shown_line: str, printed: str, alike: bool
) -> None:
    assert bool(pattern(shown_line).search(printed)) is alike


def test_lines_that_are_not_printed_in_this_order_are_found() -> None:
    assert unlike(("a", "b"), "a\nx\nb\n") == []
    assert unlike(("b", "a"), "a\nb\n") == ["a"]


def test_a_command_that_fails_or_prints_something_else_is_found(shop: Stage) -> None:
    visit = Visit(shop, "docs/made-up.md", PLACES["docs/operations.md"])

    (visit.folder / "wrong.yaml").write_text("colector: {}\n")
    with pytest.raises(AssertionError, match="no known key"):
        visit.run(Command("plimsoll check --config wrong.yaml"))
    with pytest.raises(AssertionError, match="made-up"):
        visit.run(Command("plimsoll check", ("everything is wrong",)))
    visit.run(Command("plimsoll check", ("ok: ... 45 signals",)))
