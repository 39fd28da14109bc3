"""What a role needs to watch a server, and no more: the SQL to make it, and the check of it.

The SQL is for an administrator to read and run; Plimsoll never runs it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from collector.addresses import Resolve
from collector.failure import CollectFailure, Failure
from collector.postgres.config import Group, PostgresTarget
from collector.postgres.connection import Connection
from collector.postgres.pgbouncer import CONSOLE
from collector.postgres.reading import Ask
from collector.postgres.versions import PG_14, Extension, statement_numbers

T = TypeVar("T")

NEWEST = 180000
SECONDS = 10.0


class Outcome(StrEnum):
    """What a check says."""

    OK = "ok"
    MISSING = "missing"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: what, how it stands, and the SQL that mends it."""

    what: str
    outcome: Outcome
    mend: str = ""


def identifier(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def statements(target: PostgresTarget, version: int) -> list[str]:
    """The SQL that an administrator runs, with comments; one statement or comment a line."""
    role, database = identifier(target.user), identifier(target.database)
    major = version // 10000
    lines = [
        f"-- PostgreSQL {major}: what Plimsoll needs to watch {target.name!r}, and no more.",
        f"-- Run it as an administrator in the database {target.database}, after reading it.",
        "",
        "-- A role that only reads statistics. It gets no right on any table of yours.",
        f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 3;",
        f"GRANT pg_monitor TO {role};",
        f"GRANT CONNECT ON DATABASE {database} TO {role};",
        "-- Give it a password without writing one into any log: in psql,",
        f"--   \\password {target.user}",
        "",
        "-- It can neither write nor hold anything up, whatever is asked in its name.",
        f"ALTER ROLE {role} SET default_transaction_read_only = on;",
        f"ALTER ROLE {role} SET statement_timeout = '5s';",
        f"ALTER ROLE {role} SET lock_timeout = '200ms';",
        f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = '10s';",
    ]
    if Group.STATEMENTS not in target.skip:
        lines += [
            "",
            "-- Statements. The first setting needs a restart; leave out what is there already.",
            "--   shared_preload_libraries = 'pg_stat_statements'   (add it to the list)",
            "--   track_io_timing = on                              (times of reads and writes)",
            *(["--   compute_query_id = auto                           (the default)"]
              if version >= PG_14 else []),
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements;",
        ]  # fmt: skip
    if target.pgbouncer is not None:
        lines += [
            "",
            "-- pgbouncer, in pgbouncer.ini; pools are told to its stats_users:",
            f"--   stats_users = {target.pgbouncer.user}",
        ]
    return lines


async def version_of(target: PostgresTarget, resolve: Resolve) -> int:
    """The version of the server, as the configured role sees it."""

    async def asked(ask: Ask) -> int:
        ((version,),) = await ask("SELECT current_setting('server_version_num')::int")
        return int(version)

    return await connected(target, resolve, asked)


async def verify(target: PostgresTarget, resolve: Resolve) -> list[Check]:
    """Everything that is looked at, in the order of the SQL; the role is the configured one."""

    async def asked(ask: Ask) -> list[Check]:
        found = [Check(f"{target.user} logs in to {target.database}", Outcome.OK)]
        found += await rights(target, ask)
        if Group.STATEMENTS not in target.skip:
            found += await extension(ask)
        return found

    try:
        found = await connected(target, resolve, asked)
    except CollectFailure as failure:
        what = f"{target.user} logs in to {target.database}: {failure.detail}"
        found = [Check(what, Outcome.MISSING, "see the SQL of `plimsoll setup postgres`")]
    if target.pgbouncer is not None:
        found.append(await console(target, resolve))
    return found


async def connected(
    target: PostgresTarget, resolve: Resolve, use: Callable[[Ask], Awaitable[T]]
) -> T:
    """What `use` makes of a connection that is closed afterwards."""
    connection = Connection(target, target.database, resolve)

    async def ask(query: str) -> Sequence[tuple[Any, ...]]:
        return await connection.ask(query, target.statement_timeout, target.lock_timeout)

    try:
        await connection.open(SECONDS)
        return await use(ask)
    finally:
        await connection.close()


RIGHTS = """SELECT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
  pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'),
  pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE'),
  current_setting('default_transaction_read_only'), current_setting('track_io_timing'),
  (SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND n.nspname !~ '^pg_toast' AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
      AND pg_catalog.has_table_privilege(c.oid, 'SELECT, INSERT, UPDATE, DELETE'))"""  # noqa: E501


async def rights(target: PostgresTarget, ask: Ask) -> list[Check]:
    """What the role may see, and what it had better not be able to."""
    role = identifier(target.user)
    ((superuser, stats, settings, read_only, io, tables),) = await ask(RIGHTS)
    found = [
        Check(
            "it sees the sessions, statements and sizes of others (pg_read_all_stats)",
            Outcome.OK if stats else Outcome.MISSING,
            f"GRANT pg_monitor TO {role};",
        ),
        Check(
            "it sees all settings (pg_read_all_settings)",
            Outcome.OK if settings else Outcome.MISSING,
            f"GRANT pg_monitor TO {role};",
        ),
        Check(
            "its transactions are read-only by themselves (default_transaction_read_only)",
            Outcome.OK if read_only == "on" else Outcome.ADVICE,
            f"ALTER ROLE {role} SET default_transaction_read_only = on;",
        ),
        Check(
            "it is no superuser",
            Outcome.ADVICE if superuser else Outcome.OK,
            f"ALTER ROLE {role} NOSUPERUSER;",
        ),
    ]
    if not superuser:
        what = "it may read or change none of your tables"
        if tables:
            what = f"it may read or change {tables} of your tables, and needs none"
        mend = f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}, PUBLIC;  -- and so on"
        found.append(Check(what, Outcome.ADVICE if tables else Outcome.OK, mend))
    found.append(
        Check(
            "reads and writes are timed (track_io_timing)",
            Outcome.OK if io == "on" else Outcome.ADVICE,
            "ALTER SYSTEM SET track_io_timing = on; SELECT pg_reload_conf();",
        )
    )
    return found


EXTENSION = """SELECT e.extversion, n.nspname, a.default_version,
  current_setting('pg_stat_statements.track', true)
FROM pg_catalog.pg_available_extensions a
LEFT JOIN pg_catalog.pg_extension e ON e.extname = a.name
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE a.name = 'pg_stat_statements'"""


async def extension(ask: Ask) -> list[Check]:
    """Whether statements are counted, and may be read."""
    name = "pg_stat_statements"
    rows = await ask(EXTENSION)
    if not rows:
        mend = "-- install the package of contrib modules, such as postgresql-contrib"
        return [Check(f"the server has the extension {name}", Outcome.MISSING, mend)]
    ((version, schema, newest, track),) = rows
    if version is None:
        create = f"CREATE EXTENSION {name};"
        return [Check(f"{name} is installed in this database", Outcome.MISSING, create)]
    found = [
        Check(f"{name} {version} is installed in this database", Outcome.OK),
        Check(
            f"{name} is as new as the server ({newest})",
            Outcome.OK if version == newest else Outcome.ADVICE,
            f"ALTER EXTENSION {name} UPDATE;",
        ),
    ]
    try:
        rows = await ask(statement_numbers(Extension.of(version, schema)))
    except CollectFailure as failure:
        mend = f"shared_preload_libraries = '{name}' in postgresql.conf, and a restart"
        if failure.reason is Failure.PERMISSION:
            mend = f"GRANT USAGE ON SCHEMA {identifier(schema)} TO the role"
        return [*found, Check(f"{name} can be read", Outcome.MISSING, mend)]
    found.append(Check(f"{name} can be read", Outcome.OK))
    hidden = sum(row[2] is None for row in rows)
    if hidden:
        what = f"the statements of other roles can be read: {hidden} cannot"
        found.append(Check(what, Outcome.MISSING, "GRANT pg_monitor TO the role"))
    found.append(
        Check(
            f"statements are counted ({name}.track)",
            Outcome.MISSING if track == "none" else Outcome.OK,
            f"ALTER SYSTEM SET {name}.track = 'top'; SELECT pg_reload_conf();",
        )
    )
    return found


async def console(target: PostgresTarget, resolve: Resolve) -> Check:
    """Whether pgbouncer tells of its pools."""
    pooler = target.pgbouncer
    assert pooler is not None
    connection = Connection(pooler, CONSOLE, resolve)
    what = f"{pooler.user} reads the pools of pgbouncer"
    try:
        await connection.open(SECONDS)
        await connection.show("SHOW POOLS")
    except CollectFailure as failure:
        mend = f"stats_users = {pooler.user} in pgbouncer.ini, then RELOAD"
        return Check(f"{what}: {failure.detail}", Outcome.MISSING, mend)
    finally:
        await connection.close()
    return Check(what, Outcome.OK)
