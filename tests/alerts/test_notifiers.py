"""Every way to the outside behaves the same, whatever is wrong out there."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from alerts.alert import Delivery, Errand, Fate, Marker, Outcome, Reference
from alerts.layouts import compose
from alerts.notifiers import Notifier
from alerts.notifiers.alertmanager import Alertmanager
from alerts.notifiers.mail import Mail
from alerts.notifiers.slack import slack as slack_notifier
from alerts.notifiers.webhook import Webhook, signature
from alerts.receivers import AlertmanagerConfig, EmailConfig, WebhookConfig
from alerts.slack_config import SlackConfig
from detector.regression import Incident
from tests.alerts.incidents import incident, resolved, worse
from tests.endpoint import Answer, Endpoint
from tests.mailbox import PASSWORD, USER, Mailbox
from tests.servers import free_port
from tests.slack_fake import CHANNEL, Dropped, FakeSlack, Garbage, RateLimited, Refused, ServerError

URL = "https://plimsoll.example"
SECRET = "the secret of the webhook"
ERRAND = Errand(key="receiver:inc-1:1", at_ms=1_772_452_800_000)
KINDS = ("slack", "slack-webhook", "webhook", "alertmanager", "mail")


@dataclass
class Rig:
    """A notifier with the server it talks to, and how that server is told to be difficult."""

    make: Callable[[Mapping[str, Any]], Notifier]
    received: Callable[[], int]
    faults: Mapping[str, tuple[Callable[[], object], Outcome]]
    secrets: tuple[str, ...] = ()
    nowhere: Mapping[str, Any] = field(default_factory=dict)

    def post(self, notifier: Notifier, about: Incident) -> Delivery:
        return notifier.post(compose(about, notifier.receiver, URL), ERRAND)


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    with ExitStack() as stack:
        match request.param:
            case "slack":
                yield slack_rig(stack.enter_context(FakeSlack()))
            case "slack-webhook":
                yield hook_rig(stack.enter_context(FakeSlack()))
            case "webhook":
                yield webhook_rig(stack.enter_context(Endpoint()))
            case "alertmanager":
                yield alertmanager_rig(stack.enter_context(Endpoint()))
            case _:
                yield mail_rig(stack.enter_context(Mailbox()))


def slack_rig(slack: FakeSlack) -> Rig:
    given = {"bot_token": slack.token, "channel": CHANNEL, "api_url": slack.api_url, "timeout": 5}
    method = "chat.postMessage"

    def make(changes: Mapping[str, Any]) -> Notifier:
        return slack_notifier("slack", SlackConfig.model_validate({**given, **changes}))

    return Rig(
        make,
        lambda: len(slack.messages()),
        {
            "busy": (lambda: slack.misbehave(method, RateLimited(7)), Outcome.RATE_LIMITED),
            "down": (lambda: slack.misbehave(method, ServerError(503)), Outcome.UNKNOWN),
            "forbidden": (
                lambda: slack.misbehave(method, Refused("invalid_auth")),
                Outcome.RECEIVER_BROKEN,
            ),
            "refused": (
                lambda: slack.misbehave(method, Refused("invalid_blocks")),
                Outcome.MESSAGE_REFUSED,
            ),
            "dropped": (
                lambda: slack.misbehave(method, Dropped(accepted=True)),
                Outcome.UNKNOWN,
            ),
            "garbage": (lambda: slack.misbehave(method, Garbage()), Outcome.UNKNOWN),
        },
        (slack.token,),
        {"api_url": f"http://127.0.0.1:{free_port()}/api/"},
    )


def hook_rig(slack: FakeSlack) -> Rig:
    given = {"webhook_url": slack.webhook_url, "timeout": 5}

    def make(changes: Mapping[str, Any]) -> Notifier:
        return slack_notifier("hook", SlackConfig.model_validate({**given, **changes}))

    return Rig(
        make,
        lambda: len(slack.messages()),
        {
            "busy": (lambda: slack.misbehave("webhook", RateLimited(7)), Outcome.RATE_LIMITED),
            "down": (lambda: slack.misbehave("webhook", ServerError(503)), Outcome.SERVER_ERROR),
            "forbidden": (
                lambda: slack.misbehave("webhook", Refused("action_prohibited")),
                Outcome.RECEIVER_BROKEN,
            ),
            "dropped": (
                lambda: slack.misbehave("webhook", Dropped(accepted=True)),
                Outcome.UNKNOWN,
            ),
        },
        (slack.webhook_url.rsplit("/", 1)[-1],),
        {"webhook_url": f"http://127.0.0.1:{free_port()}/services/T0/B0/fakefakefakefake"},
    )


def web_faults(web: Endpoint, dropped: Outcome) -> dict[str, tuple[Callable[[], object], Outcome]]:
    """What any web server can do."""

    def says(*answers: Answer) -> Callable[[], object]:
        return lambda: web.script.extend(answers)

    patience = Answer(429, headers=(("Retry-After", "7"),))
    return {
        "busy": (says(patience), Outcome.RATE_LIMITED),
        "down": (says(Answer(503)), Outcome.SERVER_ERROR),
        "forbidden": (says(Answer(403)), Outcome.RECEIVER_BROKEN),
        "elsewhere": (
            says(Answer(302, headers=(("Location", "http://127.0.0.1:1/"),))),
            Outcome.RECEIVER_BROKEN,
        ),
        "refused": (says(Answer(400)), Outcome.MESSAGE_REFUSED),
        "dropped": (says(Answer(drop=True)), dropped),
    }


def webhook_rig(web: Endpoint) -> Rig:
    given = {"url": f"{web.url}/hook?token=in-the-address", "secret": SECRET, "timeout": 5}

    def make(changes: Mapping[str, Any]) -> Notifier:
        return Webhook("pager", WebhookConfig.model_validate({**given, **changes}))

    return Rig(
        make,
        lambda: len(web.requests),
        web_faults(web, Outcome.UNKNOWN),
        (SECRET, "in-the-address"),
        {"url": f"http://127.0.0.1:{free_port()}/hook?token=in-the-address"},
    )


def alertmanager_rig(web: Endpoint) -> Rig:
    given = {"url": web.url, "bearer_token": "token-of-a-proxy", "timeout": 5}

    def make(changes: Mapping[str, Any]) -> Notifier:
        return Alertmanager("am", AlertmanagerConfig.model_validate({**given, **changes}))

    return Rig(
        make,
        lambda: len(web.requests),
        web_faults(web, Outcome.SERVER_ERROR),  # posting again does no harm
        ("token-of-a-proxy",),
        {"url": f"http://127.0.0.1:{free_port()}"},
    )


def mail_rig(box: Mailbox) -> Rig:
    given = {
        "host": "127.0.0.1",
        "port": box.port,
        "tls": "none",
        "from": "plimsoll@shop.example",
        "to": ["ada@shop.example", "grace@shop.example"],
        "timeout": 5,
    }

    def make(changes: Mapping[str, Any]) -> Notifier:
        return Mail("mails", EmailConfig.model_validate({**given, **changes}))

    def says(answer: str, *, hang_up: bool = False) -> Callable[[], object]:
        def set_() -> None:
            box.answer, box.hang_up = answer, hang_up
            box.unknown.clear()

        return set_

    everybody = {"ada@shop.example", "grace@shop.example"}
    return Rig(
        make,
        lambda: len(box.mails),
        {
            "down": (says("451 try later"), Outcome.SERVER_ERROR),
            "refused": (says("554 spam"), Outcome.MESSAGE_REFUSED),
            "forbidden": (lambda: box.unknown.update(everybody), Outcome.RECEIVER_BROKEN),
            "dropped": (says("250 taken", hang_up=True), Outcome.UNKNOWN),
        },
        (),
        {"port": free_port()},
    )


def test_what_is_said_arrives_once(rig: Rig) -> None:
    assert rig.post(rig.make({}), incident()).outcome is Outcome.SENT
    assert rig.received() == 1


def test_every_version_of_an_incident_can_be_said(rig: Rig) -> None:
    notifier = rig.make({})
    for one in (incident(), worse(incident()), resolved(worse(incident()))):
        assert rig.post(notifier, one).outcome is Outcome.SENT


def test_nobody_listening_means_nothing_was_sent(rig: Rig) -> None:
    delivery = rig.post(rig.make(rig.nowhere), incident())
    assert delivery.outcome is Outcome.UNREACHABLE
    assert delivery.outcome.fate is Fate.NOT_TOLD


def test_each_fault_has_its_outcome_and_is_tried_once(rig: Rig) -> None:
    notifier = rig.make({})
    for name, (arrange, outcome) in rig.faults.items():
        arrange()
        before = rig.received()
        delivery = rig.post(notifier, incident())
        assert delivery.outcome is outcome, name
        assert rig.received() - before <= 1, name
        if name == "busy":
            assert delivery.retry_after_seconds == 7


def test_no_secret_is_in_what_is_told_of_a_fault(rig: Rig) -> None:
    notifiers = [rig.make({}), rig.make(rig.nowhere)]
    for arrange, _ in rig.faults.values():
        arrange()
        for notifier in notifiers:
            told = rig.post(notifier, incident())
            shown = f"{told!r} {notifier!r} {vars(notifier)!r}"
            assert not any(secret in shown for secret in rig.secrets)


def test_a_time_out_leaves_the_fate_open_or_harmless(rig: Rig) -> None:
    """A server that takes the connection and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        at = f"http://127.0.0.1:{port}"
        changes: dict[str, Any] = {"timeout": 0.2}
        for name in rig.nowhere:
            old = rig.nowhere[name]
            changes[name] = port if isinstance(old, int) else at + "/" + old.split("/", 3)[-1]
        if "url" in changes and "hook" not in changes["url"]:
            changes["url"] = at
        delivery = rig.post(rig.make(changes), incident())
    # Mail was not even greeted, so nothing can have been sent.
    assert delivery.outcome in (Outcome.UNKNOWN, Outcome.SERVER_ERROR, Outcome.UNREACHABLE)
    assert (delivery.outcome is Outcome.UNREACHABLE) == isinstance(rig.make({}), Mail)


def test_looking_is_answered_and_an_edit_is_possible_or_said_anew(rig: Rig) -> None:
    notifier = rig.make({})
    posted = rig.post(notifier, incident())
    found = notifier.find(Marker(incident_id="inc-1", since_ms=0, channel=CHANNEL))
    assert found.outcome in (Outcome.FOUND, Outcome.BLIND)
    place = posted.reference or Reference(CHANNEL, "1")
    payload = compose(worse(incident()), notifier.receiver, URL)
    assert notifier.update(place, payload, ERRAND).outcome is Outcome.SENT


# --- what each has of its own -------------------------------------------------------------------


def test_a_webhook_is_signed_over_its_time_and_body() -> None:
    with Endpoint() as web:
        rig = webhook_rig(web)
        rig.post(rig.make({}), worse(incident()))
        (request,) = web.requests
    at = request.headers["x-plimsoll-timestamp"]
    assert int(at) == ERRAND.at_ms // 1000
    expected = hmac.new(
        SECRET.encode(), b"v1:" + at.encode() + b":" + request.body, hashlib.sha256
    ).hexdigest()
    assert request.headers["x-plimsoll-signature"] == f"v1={expected}"
    assert signature(SECRET, int(at), request.body) == f"v1={expected}"
    assert request.headers["x-plimsoll-delivery"] == ERRAND.key
    told = json.loads(request.body)
    assert told["incident"]["severity"] == "critical"
    assert [one["rule"] for one in told["regressions"]] == ["api_p95_relative", "db_p95_absolute"]
    assert told["regressions"][0]["began_between"] == [
        "2026-03-02T12:03:00Z",
        "2026-03-02T12:05:00Z",
    ]


def test_without_a_secret_a_webhook_is_not_signed() -> None:
    with Endpoint() as web:
        rig = webhook_rig(web)
        rig.post(rig.make({"secret": None}), incident())
        assert "x-plimsoll-signature" not in web.requests[0].headers


def test_a_secret_whose_file_is_gone_breaks_the_receiver(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET)
    with Endpoint() as web:
        rig = webhook_rig(web)
        notifier = rig.make({"secret": None, "secret_file": file})
        file.unlink()
        assert rig.post(notifier, incident()).outcome is Outcome.RECEIVER_BROKEN
        assert web.requests == []


def test_mails_about_an_incident_are_one_thread_and_a_repeat_is_known() -> None:
    with Mailbox() as box:
        rig = mail_rig(box)
        notifier = rig.make({})
        for one in (incident(), incident(), worse(incident())):
            errand = Errand(key=f"mails:inc-1:{one.version}", at_ms=ERRAND.at_ms)
            notifier.post(compose(one, notifier.receiver, URL), errand)
        first, again, second = box.mails
    assert first["Subject"] == "Warning: API p95 +42 % on GET /cart"
    assert first["To"] == "ada@shop.example, grace@shop.example"
    assert first["Message-ID"] == again["Message-ID"] != second["Message-ID"]
    assert first["References"] == second["References"]
    text = first.get_content()
    assert "https://plimsoll.example/regressions/reg-cart" in text
    assert "Deployment: correlated with shop 1.4.2" in text


def test_a_mail_with_hostile_labels_has_the_headers_it_should_have() -> None:
    from dataclasses import replace

    from storage.series import Labels

    labels = Labels.of(route="/a\r\nBcc: evil@evil.example\r\n\r\n<b>x</b>" + "é🙂" * 5000)
    first = replace(incident().regressions[0], labels=labels, title="t\nX-Evil: 1")
    with Mailbox() as box:
        rig = mail_rig(box)
        assert rig.post(rig.make({}), incident(regressions=(first,))).outcome is Outcome.SENT
        (mail,) = box.mails
    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None


def test_who_is_refused_is_told_and_the_others_get_their_mail() -> None:
    with Mailbox() as box:
        box.unknown.add("ada@shop.example")
        rig = mail_rig(box)
        delivery = rig.post(rig.make({}), incident())
        assert (delivery.outcome, delivery.detail) == (Outcome.SENT, "refused: ada@shop.example")
        assert len(box.mails) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    import subprocess

    from tests.servers import program

    home = tmp_path_factory.mktemp("certificate")
    files = home / "cert.pem", home / "key.pem"
    subprocess.run(
        [program("openssl", package="openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
         "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


def test_mail_logs_in_over_tls_and_never_without(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Mailbox(certificate) as box:
        rig = mail_rig(box)
        login = {"host": "localhost", "tls": "starttls", "user": USER, "password": PASSWORD}
        # A certificate that nobody vouches for is not trusted.
        assert rig.post(rig.make(login), incident()).outcome is Outcome.RECEIVER_BROKEN
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert rig.post(rig.make(login), incident()).outcome is Outcome.SENT
        wrong = {**login, "password": "wrong"}
        delivery = rig.post(rig.make(wrong), incident())
        assert (delivery.outcome, delivery.detail) == (
            Outcome.RECEIVER_BROKEN,
            "SMTPAuthenticationError",
        )
        plain = rig.post(rig.make({}), incident())
        assert plain.outcome is Outcome.RECEIVER_BROKEN
        assert len(box.mails) == 1
