"""Each fault of the section has its message, and no message holds a secret."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alerts.config import AlertsConfig
from alerts.slack_config import SlackConfig

TOKEN = "xoxb-12-34-s3cr3t"
HOOK = "https://hooks.slack.com/services/T1/B1/s3cr3t"
BOT = {"bot_token": TOKEN, "channel": "C0123456789"}


def faults(**slack: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AlertsConfig.model_validate({"slack": slack})
    message = str(caught.value)
    assert "s3cr3t" not in message
    return message


def test_without_slack_nothing_is_needed() -> None:
    config = AlertsConfig.model_validate({})
    assert config.slack is None
    assert config.min_severity == "warning"
    assert config.public_url == "http://127.0.0.1:8750"


@pytest.mark.parametrize("given", [BOT, {"webhook_url": HOOK}])
def test_both_ways_are_read(given: dict[str, Any]) -> None:
    config = AlertsConfig.model_validate({"slack": given}).slack
    assert config is not None
    assert config.by_token != config.by_webhook
    assert config.api_url == "https://slack.com/api/"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give bot_token (or bot_token_file) and channel, or webhook_url"),
        ({"channel": "C0123456789"}, "give bot_token"),
        ({"bot_token": TOKEN}, "a bot token needs a channel"),
        ({**BOT, "webhook_url": HOOK}, "two ways to one channel"),
        ({"webhook_url": HOOK, "channel": "C0123456789"}, "remove channel"),
        ({**BOT, "bot_token_file": "x"}, "bot_token and bot_token_file say the same"),
        ({"webhook_url": HOOK, "webhook_url_file": "x"}, "webhook_url_file say the same"),
        ({**BOT, "bot_token": "xapp-1-s3cr3t"}, "app-level token (xapp-)"),
        ({**BOT, "bot_token": "xoxp-1-s3cr3t"}, "begin with xoxb-"),
        ({**BOT, "bot_token": f"{TOKEN}\nx"}, "no blanks"),
        ({**BOT, "channel": "<#C1|x>"}, "write a channel id"),
        ({**BOT, "channel": "two words"}, "write a channel id"),
        ({"webhook_url": "hooks.slack.com/services/s3cr3t"}, "webhook_url is no address"),
        ({"webhook_url": "http://hooks.example/s3cr3t"}, "must begin with https://"),
        ({**BOT, "api_url": "http://slack.example/api/"}, "secrets travel over https only"),
        ({**BOT, "api_url": "https://u:s3cr3t@slack.example/"}, "without user, password"),
        ({**BOT, "timeout": "2m"}, "less than or equal to 60"),
        ({**BOT, "chanel": "s3cr3t"}, "Extra inputs are not permitted"),
        ({**BOT, "bot_token": None, "bot_token_file": "/nowhere/token"}, "cannot read /nowhere"),
    ],
)
def test_each_fault_has_its_message(given: dict[str, Any], said: str) -> None:
    assert said in faults(**given)


def test_several_faults_are_told_at_once() -> None:
    message = faults(bot_token=TOKEN, bot_token_file="x", webhook_url=HOOK)
    assert "say the same" in message
    assert "two ways" in message


@pytest.mark.parametrize(
    ("written", "read"),
    [("C0123456789", "C0123456789"), ("#alerts", "#alerts"), ("alerts-prod_2", "#alerts-prod_2")],
)
def test_channels_are_ids_or_names(written: str, read: str) -> None:
    assert SlackConfig.model_validate({**BOT, "channel": written}).channel == read


def test_a_secret_in_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    config = SlackConfig.model_validate({"bot_token_file": path, "channel": "#alerts"})
    assert config.secret().get_secret_value() == TOKEN
    path.write_text("xoxb-56-78-new")
    assert config.secret().get_secret_value() == "xoxb-56-78-new"


@pytest.mark.parametrize(
    ("content", "said"), [(b" \n", "is empty"), (b"\xff\xfe", "it is not text"), (b"abc", "xoxb-")]
)
def test_a_file_that_holds_no_secret_is_a_fault(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    assert said in faults(bot_token_file=str(path), channel="#alerts")


def test_public_url_loses_its_slash_and_must_be_an_address() -> None:
    assert AlertsConfig.model_validate({"public_url": "https://p.example/x/"}).public_url == (
        "https://p.example/x"
    )
    with pytest.raises(ValidationError, match="begins with http"):
        AlertsConfig.model_validate({"public_url": "p.example"})


def test_secrets_are_in_no_repr() -> None:
    for given in (BOT, {"webhook_url": HOOK}):
        config = AlertsConfig.model_validate({"slack": given})
        assert "s3cr3t" not in repr(config)
        assert "s3cr3t" not in config.model_dump_json()


def test_every_key_is_described() -> None:
    for model in (AlertsConfig, SlackConfig):
        assert all(field.description for field in model.model_fields.values())


# --- other receivers ----------------------------------------------------------------------------


def receivers(*given: dict[str, Any], slack: dict[str, Any] | None = None) -> AlertsConfig:
    data: dict[str, Any] = {"receivers": list(given)}
    return AlertsConfig.model_validate(data | ({"slack": slack} if slack else {}))


def refused(*given: dict[str, Any], slack: dict[str, Any] | None = None) -> str:
    with pytest.raises(ValidationError) as caught:
        receivers(*given, slack=slack)
    message = str(caught.value)
    assert "s3cr3t" not in message
    return message


def test_a_further_channel_takes_the_token_of_the_first() -> None:
    config = receivers(
        {"name": "payments", "slack": {"channel": "#payments"}}, slack=BOT | {"timeout": 3}
    )
    (_, first), (name, second) = config.ways()
    assert isinstance(first, SlackConfig)
    assert isinstance(second, SlackConfig)
    assert (name, second.channel, second.timeout) == ("payments", "#payments", 3)
    assert second.secret() == first.secret()
    own = {"name": "own", "slack": {"bot_token": "xoxb-9", "channel": "#own"}}
    ways = dict(receivers(own, slack=BOT).ways())
    other = ways["own"]
    assert isinstance(other, SlackConfig)
    assert other.secret().get_secret_value() == "xoxb-9"


def test_every_receiver_has_a_name_of_its_own() -> None:
    hook = {"webhook": {"url": "https://a.example/s3cr3t"}}
    assert "two receivers are called pager" in refused(
        {"name": "pager", **hook}, {"name": "pager", **hook}
    )
    assert "two receivers are called slack" in refused({"name": "slack", **hook}, slack=BOT)
    renamed = receivers({"name": "slack", **hook}, slack=BOT | {"name": "main"})
    assert [name for name, _ in renamed.ways()] == ["main", "slack"]
    for bad in ("", "a b", "x" * 65, "-a", "a\n"):
        assert "name" in refused({"name": bad, **hook})


MAIL = {"host": "mail.example", "from": "p@shop.example", "to": ["a@shop.example"]}


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ({}, "give one of slack, webhook, email and alertmanager"),
        ({"webhook": {}}, "url must begin with http"),
        ({"webhook": {"url": "ftp://x/s3cr3t"}}, "url must begin with http"),
        ({"webhook": {"url": "https://x", "url_file": "/x"}}, "url and url_file say the same"),
        ({"webhook": {"url": "https://x", "secret_file": "/nowhere"}}, "cannot read /nowhere"),
        ({"webhook": {"url_file": "/nowhere"}}, "cannot read /nowhere"),
        ({"email": MAIL | {"to": []}}, "to"),
        ({"email": MAIL | {"to": ["a@b\nBcc: c@d"]}}, "to"),
        ({"email": MAIL | {"password": "s3cr3t"}}, "a password needs a user"),
        (
            {"email": MAIL | {"user": "p", "password": "s3cr3t", "tls": "none"}},
            "travels over TLS only",
        ),
        ({"alertmanager": {"url": "http://am.example?x=s3cr3t"}}, "without user, password, query"),
        (
            {"alertmanager": {"url": "http://am.example", "bearer_token": "s3cr3t"}},
            "travels over https only",
        ),
        ({"alertmanager": {"url": "http://am.example", "resend": "10m"}}, "resend"),
        ({"slack": {"channel": "#a"}}, "give bot_token"),
    ],
)
def test_each_fault_of_a_receiver_has_its_message(way: dict[str, Any], said: str) -> None:
    assert said in refused({"name": "one", **way})


def test_a_password_may_stay_on_this_machine_without_tls() -> None:
    local = MAIL | {"host": "localhost", "user": "p", "password": "x", "tls": "none"}
    assert len(list(receivers({"name": "mails", "email": local}).ways())) == 1


def test_buttons_need_a_token_of_their_kind() -> None:
    assert "app_token is no app-level token" in faults(**BOT, app_token="xoxb-s3cr3t")
    assert "a webhook has no buttons" in faults(webhook_url=HOOK, app_token="xapp-s3cr3t")
    assert SlackConfig.model_validate(BOT | {"app_token": "xapp-1"}).manner.buttons
    assert not SlackConfig.model_validate(BOT).manner.buttons


def test_without_threads_there_are_no_charts_either() -> None:
    manner = SlackConfig.model_validate(BOT | {"threads": False}).manner
    assert (manner.threads, manner.charts) == (False, False)
