"""The OpenAPI document keeps its word for as long as there is time: made-up requests, and links.

Rounds go over all operations, each with another seed, until the time is up. A seed of one's own
(`PLIMSOLL_FUZZ_SEED`) is that of the first round; what a round finds comes again with its seed and
`PLIMSOLL_FUZZ_SECONDS=0`, which is one round.
"""

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import monotonic, process_time

import pytest
from pydantic import SecretStr

from collector.config import CollectorConfig
from storage.config import StorageConfig
from tests.api import browsers, databases, machines
from tests.api.offered import Told, holds, keep, told_of
from tests.api.scrutiny import Scrutinised, scrutinised
from tests.api.shop import close
from tests.api.whole import whole_house
from tests.postgres import Postgres

SEED = int(os.environ.get("PLIMSOLL_FUZZ_SEED", "20260302"))
SECONDS = float(os.environ.get("PLIMSOLL_FUZZ_SECONDS", "60"))
"""How long new rounds begin, for each of the tests; a round that began is ended."""

EXAMPLES = 8
WALKS = 60
"""Requests made up for each operation in a round; ways from answer to request in a round."""

COLLECTOR = CollectorConfig.model_validate(
    {**browsers.COLLECTOR, **machines.COLLECTOR, **databases.COLLECTOR}
)
pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def told(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Told]:
    """A house with something behind every operation, its state on both databases in turn."""
    folder: Path = tmp_path_factory.mktemp("contract")
    storage = StorageConfig(directory=folder)
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("postgres_server")
        storage = StorageConfig(directory=folder, state_url=SecretStr(server.database()))
    house = whole_house(folder, storage=storage, collector=COLLECTOR)
    databases.fill(house)
    assert house.state.engine.url.get_backend_name() == request.param
    with told_of(house) as made:
        yield made
    close(house)


def rounds(told: Told, phase: str, examples: int) -> Iterator[Scrutinised]:
    """One round after the other while there is time; each tells its seed and what it did."""
    until = monotonic() + SECONDS
    for seed in count(SEED):
        found = scrutinised(
            told.app,
            told.document,
            phases=(phase,),
            examples=examples,
            seed=seed,
            token=told.token,
        )
        asked = f"{found.requests} requests, {dict(found.statuses)}, {process_time():.0f} s of CPU"
        print(f"{phase}, seed {seed}: {asked}")  # noqa: T201
        assert not found.findings, f"seed {seed}\n{found.told()}"
        yield found
        if monotonic() >= until:
            return


def test_nothing_is_found_in_made_up_requests(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(told, monkeypatch)
    for found in rounds(told, "fuzzing", EXAMPLES):
        holds(told, found)
        assert found.statuses[401] < 0.7 * found.requests, "the token is no longer let in"


def test_nothing_is_found_on_the_way_from_answers_to_requests(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(told, monkeypatch)
    followed: set[str] = set()
    for found in rounds(told, "stateful", WALKS):
        followed |= found.followed.keys()
    print("\n".join(sorted(followed)))  # noqa: T201
    assert len(followed) > 10, "the links of the document lead nowhere"
