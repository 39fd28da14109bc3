"""Where the demo shop keeps its products and the pages it made: in itself, or in real servers.

Without servers products are in SQLite and pages in a dictionary, so that the demo needs nothing.
With `SHOP_POSTGRES` (a connection string of libpq) and `SHOP_REDIS` (host:port) in the environment
the same queries go to PostgreSQL and the same pages to Redis, for those who watch these, too.
"""

import os
import socket
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Protocol

import psycopg

from collector.redis.resp import Parser, Reply, encoded

PRODUCTS = 500
PAGE_SECONDS = 600
PAGE_BYTES = 6000
"""How large a page is in Redis: all of them together are more than the 2 MB it has in compose."""
LONGEST_SECONDS = 5.0
LARGEST_BYTES = 64 * 1024


class Products(Protocol):
    """A table of products: id, name, price."""

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The rows of a query; its places for values are written `?`."""
        ...


class Pages(Protocol):
    """The pages of products that are kept, by the product's number."""

    def get(self, product: int) -> str | None:
        """The page, or None where it is not kept."""
        ...

    def put(self, product: int, page: str) -> None:
        """Keep a page; another one may have to go."""
        ...


def rows() -> list[tuple[int, str, float]]:
    """All products."""
    return [(i, f"product {i}", round(5 + i * 0.37, 2)) for i in range(PRODUCTS)]


class InSqlite:
    """Products in a database of this process."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute("CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
        self.db.executemany("INSERT INTO product VALUES (?, ?, ?)", rows())

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The rows of a query."""
        return self.db.execute(sql, values).fetchall()


class InPostgres:
    """Products in a PostgreSQL, made anew at the start; one connection, which is opened again."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.db = self.connected()
        with self.db.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS product")
            cursor.execute("CREATE TABLE product (id INTEGER PRIMARY KEY, name TEXT, price REAL)")
            cursor.executemany("INSERT INTO product VALUES (%s, %s, %s)", rows())

    def connected(self) -> psycopg.Connection:
        """A connection whose statements are on their own."""
        return psycopg.connect(
            self.address, autocommit=True, connect_timeout=round(LONGEST_SECONDS)
        )

    def close(self) -> None:
        """Give the connection back."""
        self.db.close()

    def ask(self, sql: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """The rows of a query; after the server went away the next one finds it again."""
        if self.db.closed:
            self.db = self.connected()
        return self.db.execute(sql.replace("?", "%s").encode(), values).fetchall()


class InMemory:
    """Pages in a dictionary: half of the products, the oldest page goes."""

    def __init__(self) -> None:
        self.pages: dict[int, str] = {}

    def get(self, product: int) -> str | None:
        """The page, if it is kept."""
        return self.pages.get(product)

    def put(self, product: int, page: str) -> None:
        """Keep a page."""
        self.pages[product] = page
        if len(self.pages) > PRODUCTS // 2:
            self.pages.pop(next(iter(self.pages)))


class InRedis:
    """Pages in a Redis, each for ten minutes at most; Redis decides which has to go before.

    One connection, which is opened again after it failed. The first one empties the database: pages
    of a shop that ran before may show what is not sold any more.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._where = (host, int(port))
        self._link: socket.socket | None = None
        self._emptied = False
        self._parser = Parser(LARGEST_BYTES)

    def get(self, product: int) -> str | None:
        """The page, if it is kept."""
        found = self._ask("GET", f"page:{product}")
        return found.decode().rstrip() if isinstance(found, bytes) else None

    def put(self, product: int, page: str) -> None:
        """Keep a page, as large as pages are."""
        self._ask("SET", f"page:{product}", page.ljust(PAGE_BYTES), "EX", PAGE_SECONDS)

    def close(self) -> None:
        """Give the connection back."""
        if self._link is not None:
            self._link.close()
        self._link = None

    def _ask(self, *words: str | int) -> Reply:
        if self._link is None:
            self._link = socket.create_connection(self._where, LONGEST_SECONDS)
            self._parser = Parser(LARGEST_BYTES)
        if not self._emptied:
            self._answer(self._link, "FLUSHDB")
            self._emptied = True
        return self._answer(self._link, *words)

    def _answer(self, link: socket.socket, *words: str | int) -> Reply:
        try:
            link.sendall(encoded(*words))
            while (reply := self._parser.next()) is None:
                came = link.recv(LARGEST_BYTES)
                if not came:
                    raise ConnectionResetError("Redis closed the connection")
                self._parser.feed(came)
        except OSError:
            self.close()
            raise
        return reply[0]


def products(environment: Mapping[str, str] = os.environ) -> Products:
    """Where the products are."""
    address = environment.get("SHOP_POSTGRES")
    return InPostgres(address) if address else InSqlite()


def pages(environment: Mapping[str, str] = os.environ) -> Pages:
    """Where the pages are."""
    address = environment.get("SHOP_REDIS")
    return InRedis(address) if address else InMemory()
