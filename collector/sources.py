"""What a configuration names, as sources: one for each target."""

from collections.abc import Callable

from collector.addresses import Resolve, SystemResolver
from collector.config import CollectorConfig, Target
from collector.connect import SHARE_OF_INTERVAL
from collector.host import Host
from collector.memcached import Memcached
from collector.postgres.noting import Write
from collector.redis.source import Redis
from collector.scrape import Scrape
from collector.source import Source

OWN_PAGE = "plimsoll"


def sources(
    config: CollectorConfig,
    *,
    own_page: Callable[[], tuple[bytes, str]] | None = None,
    resolve: Resolve | None = None,
    statements: Write | None = None,
) -> list[Source]:
    """All that the configuration names: this host, Plimsoll's own page, the targets in order.

    `statements` takes the texts of statements that databases tell of.
    """
    found: list[Source] = []
    if config.host:
        timeout_seconds = min(config.timeout, SHARE_OF_INTERVAL * config.interval)
        found.append(Host(config.interval, timeout_seconds))
    if own_page is not None:
        ours = Target(name=OWN_PAGE, url="http://127.0.0.1/metrics")
        found.append(Scrape(ours, config, immediate=True, page=own_page))
    found.extend(Scrape(target, config, resolve=resolve) for target in config.targets)
    found.extend(Redis(target, config, resolve=resolve) for target in config.redis)
    found.extend(Memcached(target, config, resolve=resolve) for target in config.memcached)
    if config.postgres:
        # Its driver takes 9 MiB, which who watches no PostgreSQL need not give.
        from collector.postgres.source import Postgres

        found.extend(
            Postgres(target, config, resolve or SystemResolver(), write=statements)
            for target in config.postgres
        )
    return found
