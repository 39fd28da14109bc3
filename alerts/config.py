"""The section `alerts` of plimsoll.yaml: who is told, where, and from which severity on."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from alerts.receivers import AlertmanagerConfig, EmailConfig, ReceiverConfig, WebhookConfig
from alerts.routing_config import RoutingConfig, deliveries, load
from alerts.scalars import Names
from alerts.secret import web_address
from alerts.slack_config import SlackConfig
from alerts.watch_config import HeartbeatConfig, OwnConfig
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
    routing: RoutingConfig | None = Field(
        None, description="Who is told when; left out: everybody, at once."
    )
    alertmanager_file: Path | None = Field(
        None, description="An alertmanager.yml to take the routing from, in place of `routing`."
    )
    deliver: dict[str, Names] = Field(
        {},
        description="For a receiver's name in the routing, those of Plimsoll's receivers that "
        "stand for it; an empty list is nobody.",
    )
    own: OwnConfig = Field(OwnConfig(), description="Troubles of Plimsoll itself.")
    heartbeats: tuple[HeartbeatConfig, ...] = Field((), description="Signs of life.")

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
        """Each name once, and a routing that leads to receivers that there are."""
        twice = sorted({one for one in self.receiver_names if self.receiver_names.count(one) > 1})
        if twice:
            raise ValueError(f"two receivers are called {', '.join(twice)}: give each its own name")
        if self.routing is not None and self.alertmanager_file is not None:
            raise ValueError("routing and alertmanager_file say the same: keep one of them")
        routing = self.routes()
        if routing is not None:
            deliveries(routing, self.receiver_names, self.deliver)
        elif self.deliver:
            raise ValueError("deliver says who stands for names in a routing, and there is none")
        names = [one.name for one in self.heartbeats]
        if len(set(names)) < len(names):
            raise ValueError("two heartbeats have the same name")
        return self

    def ways(self) -> Iterator[tuple[str, Way]]:
        """Every receiver by its name, with the one way to reach it."""
        if self.slack is not None:
            yield self.slack.called, self.slack
        for one in self.receivers:
            way = one.slack or one.webhook or one.email or one.alertmanager
            if way is not None:  # which the receiver has made sure of
                yield one.name, way

    @property
    def receiver_names(self) -> tuple[str, ...]:
        """The names of the receivers that are configured."""
        return tuple(name for name, _ in self.ways())

    def routes(self) -> RoutingConfig | None:
        """The routing in force, read anew where it is a file; a ValueError says what is wrong."""
        return load(self.alertmanager_file) if self.alertmanager_file else self.routing


def lent(receiver: Any, first: dict[str, Any]) -> Any:
    """A receiver as it was given, its channel with the token of the first where it has none."""
    slack = receiver.get("slack") if isinstance(receiver, dict) else None
    if not isinstance(slack, dict) or any(name in slack for name in TOKENS):
        return receiver
    taken = {name: first[name] for name in SHARED if name in first}
    return {**receiver, "slack": {**taken, **slack}}
