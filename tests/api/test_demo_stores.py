"""The demo shop on the servers of compose.yaml, and on none: the same answers from both."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from api.demo.stores import (
    InMemory,
    InPostgres,
    InRedis,
    InSqlite,
    Pages,
    Products,
    pages,
    products,
)
from tests.caches import RedisServer, redis_server
from tests.postgres import Postgres


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def address(postgres_server: Postgres) -> str:
    name = postgres_server.database().rpartition("/")[2]
    return f"host=127.0.0.1 port={postgres_server.port} user=plimsoll dbname={name}"


def test_without_servers_the_shop_keeps_everything_in_itself() -> None:
    assert isinstance(products({}), InSqlite)
    assert isinstance(pages({}), InMemory)


def test_the_shop_asks_postgresql_what_it_asks_sqlite(address: str) -> None:
    there = products({"SHOP_POSTGRES": address})
    assert isinstance(there, InPostgres)

    def answers(one: Products) -> list[list[tuple[object, ...]]]:
        return [
            one.ask("SELECT name FROM product WHERE id = ?", [7]),
            one.ask("SELECT name FROM product WHERE id = ?", [500]),
            sorted(one.ask("SELECT id FROM product WHERE name LIKE ?", ["%49%"]), key=str),
            [(round(float(str(row[0])), 3),) for row in one.ask(
                "SELECT sum(price) FROM product WHERE id IN (?, ?)", [1, 2])],
        ]  # fmt: skip

    with closing(there):
        assert answers(there) == answers(products({}))
        assert answers(there)[:2] == [[("product 7",)], []]


def test_after_the_server_dropped_the_connection_the_shop_finds_it_again(address: str) -> None:
    with closing(InPostgres(address)) as shop:
        [[pid]] = shop.ask("SELECT pg_backend_pid()")
        with psycopg.connect(address, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(psycopg.OperationalError):
            shop.ask("SELECT 1")
        assert shop.ask("SELECT 1") == [(1,)]


def test_started_again_it_begins_with_the_same_products(address: str) -> None:
    InPostgres(address).close()
    with closing(InPostgres(address)) as again:
        assert again.ask("SELECT count(*) FROM product") == [(500,)]


def test_pages_are_kept_in_redis_for_a_while_and_as_large_as_pages_are(cache: RedisServer) -> None:
    kept: Pages = pages({"SHOP_REDIS": cache.address})
    assert isinstance(kept, InRedis)
    with closing(kept):
        assert kept.get(7) is None
        kept.put(7, "product 7")
        assert kept.get(7) == "product 7"
    assert cache.client.strlen("page:7") == 6000
    assert 0 < cache.client.ttl("page:7") <= 600


def test_a_shop_begins_without_the_pages_of_one_before_and_keeps_its_own(
    cache: RedisServer,
) -> None:
    cache.client.set("page:9", "of a shop before")
    with closing(InRedis(cache.address)) as kept:
        assert kept.get(9) is None
        kept.put(9, "product 9")
        kept.close()
        assert kept.get(9) == "product 9", "another connection empties nothing"
    assert cache.client.info("commandstats")["cmdstat_flushdb"]["calls"] >= 1


def test_after_redis_dropped_the_connection_the_shop_finds_it_again(cache: RedisServer) -> None:
    with closing(InRedis(cache.address)) as kept:
        kept.put(8, "product 8")
        cache.client.client_kill_filter(_type="normal", skipme=True)
        with pytest.raises(OSError, match=r"closed the connection|reset|pipe"):
            kept.get(8)
        assert kept.get(8) == "product 8"


def test_in_itself_the_shop_keeps_half_of_the_pages_and_the_oldest_goes() -> None:
    kept = InMemory()
    for number in range(251):
        kept.put(number, "page")
    assert [kept.get(number) for number in (0, 1, 250)] == [None, "page", "page"]
