"""Every rule that ships has a runbook, on a page and behind the link of what it found."""

import re
from pathlib import Path

import pytest

from api.pages import runbooks
from detector.config import shipped
from tests.api.asking import Client

FOLDER = Path(__file__).parents[2] / "docs" / "runbooks"
RULES = sorted(shipped()[1])


def test_there_is_one_for_each_rule_and_none_for_what_is_none() -> None:
    assert sorted(one.stem for one in FOLDER.glob("*.md")) == RULES
    assert sorted(runbooks.names()) == RULES


@pytest.mark.parametrize("rule", RULES)
def test_each_says_what_it_means_where_to_look_and_what_it_usually_is(rule: str) -> None:
    text = (FOLDER / f"{rule}.md").read_text()
    assert text.startswith("# ")
    assert f"Rule `{rule}`" in text
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Meaning",
        "First looks",
        "Usual causes",
        "Noise?",
    ]


@pytest.mark.parametrize("rule", RULES)
def test_the_link_of_the_rule_leads_to_its_page(rule: str, client: Client) -> None:
    assert shipped()[1][rule]["runbook"] == f"/runbooks/{rule}"
    page = client.get(f"/runbooks/{rule}")
    assert page.status_code == 200
    found = runbooks.runbook(rule)
    assert found is not None
    assert f"<h1>{found.title}</h1>" in page.text
    assert "<h2>First looks</h2>" in page.text


def test_other_rules_are_links_and_tables_are_tables(client: Client) -> None:
    page = client.get("/runbooks/error_budget_burn").text
    assert '<a href="/runbooks/error_rate_spike"><code>error_rate_spike</code></a>' in page
    assert "<td>14.4</td>" in page
    assert "which is switched off here" in page


def test_all_of_them_are_listed_with_how_they_stand_here(client: Client) -> None:
    page = client.get("/runbooks").text
    assert sorted(re.findall(r'<a href="/runbooks/([a-z0-9_]+)">', page)) == RULES
    assert "switched off" in page


@pytest.mark.parametrize("name", ["nobody", "..%2f..%2fREADME", "cpu_high.md", "CPU_HIGH"])
def test_what_is_no_rule_has_no_runbook(name: str, client: Client) -> None:
    assert client.get(f"/runbooks/{name}").status_code == 404


def test_markup_of_a_text_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.md").write_text(
        "# Odd\n\n<script>alert(1)</script> [x](javascript:alert(1))\n"
    )
    monkeypatch.setattr(runbooks, "folder", lambda: tmp_path)
    runbooks.names.cache_clear()
    runbooks.runbook.cache_clear()
    try:
        found = runbooks.runbook("odd")
    finally:
        runbooks.names.cache_clear()
        runbooks.runbook.cache_clear()
    assert found is not None
    assert "<script" not in found.body
    assert "href" not in found.body
