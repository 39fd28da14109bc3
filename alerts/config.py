"""The section `alerts` of plimsoll.yaml: who is told, where, and from which severity on."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alerts.receivers import AlertmanagerConfig, EmailConfig, ReceiverConfig, WebhookConfig
from alerts.secret import web_address
from alerts.slack_config import SlackConfig
from detector.regression import Severity

Way = SlackConfig | WebhookConfig | EmailConfig | AlertmanagerConfig
# What a further channel takes from `alerts.slack` where it has no token of its own.
TOKENS = ("bot_token", "bot_token_file", "webhook_url", "webhook_url_file")
SHARED = (
    "bot_token",
    "bot_token_file",
    "app_token",
    "app_token_file",
    "signing_secret",
    "signing_secret_file",
    "api_url",
    "timeout",
)


class AlertsConfig(BaseModel):
    """Who is told of incidents; without a receiver nothing is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    slack: SlackConfig | None = Field(None, description="Where in Slack; left out: nowhere.")
    receivers: tuple[ReceiverConfig, ...] = Field(
        (), description="Who else is told: further channels, web addresses, e-mail, Alertmanagers."
    )
    min_severity: Severity = Field(
        Severity.WARNING,
        description="The mildest severity that is told: info, warning or critical. An incident "
        "that was told once is told to its end.",
    )
    public_url: Annotated[str, AfterValidator(web_address)] = Field(
        "http://127.0.0.1:8750",
        description="Where people reach Plimsoll's pages; the links in messages begin with it.",
    )
    panel_url: str = Field(
        "",
        pattern=r"\A(https?://\S+)?\z",
        description="Address of a Grafana panel that messages link to; `{signal}`, `{service}`, "
        "`{route}`, `{from}` and `{to}` are filled in.",
    )

    @model_validator(mode="before")
    @classmethod
    def share(cls, data: Any) -> Any:
        """Give further channels the token of the first."""
        if not isinstance(data, dict) or not isinstance(data.get("receivers"), list | tuple):
            return data
        first = data.get("slack")
        first = first.model_dump(exclude_none=True) if isinstance(first, SlackConfig) else first
        if not isinstance(first, dict):
            return data
        return {**data, "receivers": [lent(one, first) for one in data["receivers"]]}

    @model_validator(mode="after")
    def check(self) -> Self:
        """Each name once."""
        names = [name for name, _ in self.ways()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two receivers are called {', '.join(twice)}: give each its own name")
        return self

    def ways(self) -> Iterator[tuple[str, Way]]:
        """Every receiver by its name, with the one way to reach it."""
        if self.slack is not None:
            yield self.slack.called, self.slack
        for one in self.receivers:
            way = one.slack or one.webhook or one.email or one.alertmanager
            if way is not None:  # which the receiver has made sure of
                yield one.name, way


def lent(receiver: Any, first: dict[str, Any]) -> Any:
    """A receiver as it was given, its channel with the token of the first where it has none."""
    slack = receiver.get("slack") if isinstance(receiver, dict) else None
    if not isinstance(slack, dict) or any(name in slack for name in TOKENS):
        return receiver
    taken = {name: first[name] for name in SHARED if name in first}
    return {**receiver, "slack": {**taken, **slack}}
