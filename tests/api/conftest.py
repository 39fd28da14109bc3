"""Houses: one with a past that tests only read, and a fresh one for those that write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.app import create_app
from api.house import House
from tests.api.asking import Client
from tests.api.shop import Clock, close, empty_house, shop_house


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Eight days of a shop. Tests do not change it."""
    house = shop_house(tmp_path_factory.mktemp("shop"))
    yield house
    close(house)


@pytest.fixture(scope="session")
def asked(shop: House) -> Client:
    """The application of the shop."""
    return Client(create_app(shop))


@pytest.fixture
def clock() -> Clock:
    """A clock that tests set."""
    return Clock()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> Iterator[House]:
    """A house in which nothing has happened yet."""
    made = empty_house(tmp_path, clock)
    yield made
    close(made)


@pytest.fixture
def client(house: House) -> Client:
    """The application of the fresh house."""
    return Client(create_app(house))
