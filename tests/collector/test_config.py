"""The section `collector`, and what its messages say."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from collector.config import CollectorConfig, MemcachedTarget, RedisTarget, Target
from collector.sources import sources

SHOP = {"name": "shop", "url": "http://shop.internal:8000/metrics"}


def message(error: ValidationError) -> str:
    return "; ".join(part["msg"] for part in error.errors(include_input=False))


def test_nothing_at_all_is_a_configuration() -> None:
    config = CollectorConfig.model_validate({})
    assert (config.interval, config.timeout, config.host, config.targets) == (15, 10, True, [])
    assert config.limits.body_bytes == 10 * 1024 * 1024
    assert (config.limits.samples, config.limits.series) == (50_000, 20_000)
    assert (config.limits.labels, config.limits.label_value_bytes) == (20, 256)


def test_durations_are_written_as_people_write_them() -> None:
    config = CollectorConfig.model_validate({"interval": "1m", "timeout": "500ms"})
    assert (config.interval, config.timeout) == (60, 0.5)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"url": "shop:8000/metrics"}, "must begin with http:// or https://"),
        ({"url": "file:///etc/passwd"}, "must begin with http:// or https://"),
        ({"url": "http:///metrics"}, "must begin with http:// or https://"),
        ({"url": "http://shop:port/"}, "is no URL; write it like"),
        ({"url": "http://bob:hunter2@shop/"}, "use username and password_file"),
        ({"url": "http://hunter2@shop/"}, "or token_file"),
        ({"name": "my shop"}, "letters, digits or any of"),
        ({"name": ""}, "letters, digits or any of"),
        ({"interval": "often"}, "write it like 15s"),
        ({"allow": "http_("}, "is no regular expression"),
        ({"labels": {"target": "x"}}, "set by Plimsoll"),
        ({"labels": {"my-label": "x"}}, "is no label name"),
        ({"labels": {"__meta": "x"}}, "is no label name"),
        ({"labels": {"team": ""}}, "leave the label out"),
        ({"token": "hunter2", "token_file": __file__}, "keep one"),
        ({"username": "bob", "password": "hunter2", "password_file": __file__}, "keep one"),
        ({"token": "hunter2", "username": "bob", "password": "x"}, "carries only one"),
        ({"password": "hunter2"}, "no username"),
        ({"username": "bob"}, "neither password nor password_file"),
        ({"username": "bob:x", "password": "hunter2"}, "cannot hold a colon"),
        ({"token_file": "/nowhere/at/all"}, "does not point to a file"),
        ({"ca_file": "/nowhere/at/all"}, "does not point to a file"),
        ({"interwal": "15s"}, "Extra inputs are not permitted"),
    ],
)
def test_each_fault_of_a_target_is_told_with_the_way_out_and_without_its_secret(
    change: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        CollectorConfig.model_validate({"targets": [{**SHOP, **change}]})
    assert hint in message(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in message(caught.value)


@pytest.mark.parametrize("name", ["host", "plimsoll"])
def test_the_names_of_built_in_targets_are_taken(name: str) -> None:
    with pytest.raises(ValidationError, match="built-in target"):
        CollectorConfig.model_validate({"targets": [{**SHOP, "name": name}]})


def test_two_targets_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="2 targets are called 'shop'"):
        CollectorConfig.model_validate({"targets": [SHOP, SHOP]})


@pytest.mark.parametrize("key", ["body_bytes", "samples", "series", "labels", "label_value_bytes"])
def test_a_limit_of_nothing_is_refused(key: str) -> None:
    with pytest.raises(ValidationError, match="greater than or equal"):
        CollectorConfig.model_validate({"limits": {key: 0}})


def test_secrets_are_not_in_the_repr(tmp_path: Path) -> None:
    one = Target.model_validate({**SHOP, "token": "hunter2"})
    other = Target.model_validate({**SHOP, "username": "bob", "password": "hunter2"})
    cache = RedisTarget.model_validate({"name": "a", "address": "b:1", "password": "hunter2"})
    for target in (one, other, cache):
        assert "hunter2" not in repr(target)
        assert "hunter2" not in str(target)
        assert "hunter2" not in target.model_dump_json()


def test_every_field_is_described() -> None:
    limits = CollectorConfig.model_fields["limits"].annotation
    for model in (CollectorConfig, Target, RedisTarget, MemcachedTarget, limits):
        assert model is not None
        for name, field in model.model_fields.items():
            assert field.description, name


MAIN = {"name": "main", "host": "db.internal", "database": "shop"}


def test_a_database_needs_only_a_name() -> None:
    (one,) = CollectorConfig.model_validate({"postgres": [{"name": "main"}]}).postgres
    assert (one.host, one.port, one.user, one.database) == (
        "127.0.0.1",
        5432,
        "plimsoll",
        "postgres",
    )
    assert (one.statement_timeout, one.lock_timeout) == (3, 0.2)
    assert one.intervals.tables < 300
    assert one.tls == "prefer"


def test_with_a_certificate_to_trust_the_server_is_verified() -> None:
    config = CollectorConfig.model_validate({"postgres": [{**MAIN, "ca_file": __file__}]})
    assert config.postgres[0].tls == "verify-full"


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"host": "postgresql://bob:hunter2@db/shop"}, "is no host"),
        ({"host": "db,standby"}, "is no host"),
        ({"host": "db options=hunter2"}, "is no host"),
        ({"name": "my db"}, "letters, digits or any of"),
        ({"password": "hunter2", "password_file": __file__}, "keep one"),
        ({"cert_file": __file__}, "give both or none"),
        ({"ca_file": __file__, "sslmode": "require"}, "does not look at certificates"),
        ({"intervals": {"tables": "5m"}}, "are a gap"),
        ({"interval": "5m"}, "are a gap"),
        ({"skip": ["everything"]}, "Input should be"),
        ({"pgbouncer": {"password": "hunter2", "password_file": __file__}}, "keep one"),
        ({"conninfo": "host=db password=hunter2"}, "Extra inputs are not permitted"),
    ],
)
def test_each_fault_of_a_database_is_told_without_its_secret(
    change: dict[str, Any], hint: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        CollectorConfig.model_validate({"postgres": [{**MAIN, **change}]})
    assert hint in message(caught.value)
    assert "hunter2" not in message(caught.value)


def test_a_name_is_taken_once_whatever_it_names() -> None:
    with pytest.raises(ValidationError, match="2 targets are called 'shop'"):
        CollectorConfig.model_validate({"targets": [SHOP], "postgres": [{"name": "shop"}]})
    with pytest.raises(ValidationError, match="2 targets are called 'main'"):
        CollectorConfig.model_validate({"postgres": [MAIN, MAIN]})
    with pytest.raises(ValidationError, match="built-in"):
        CollectorConfig.model_validate({"postgres": [{"name": "plimsoll"}]})


def test_the_password_of_a_database_shows_nowhere() -> None:
    config = CollectorConfig.model_validate({"postgres": [{**MAIN, "password": "hunter2"}]})
    assert "hunter2" not in repr(config) + str(config.model_dump_json())
    (found,) = (one for one in sources(config) if one.name == "main")
    assert (found.kind, found.interval_seconds, found.timeout_seconds) == ("postgres", 15, 10)
    assert "hunter2" not in repr(found)
