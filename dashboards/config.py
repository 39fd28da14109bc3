"""The section `dashboards` of the configuration: what the files must know of the outside."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


def _url(value: str) -> str:
    if not _URL.fullmatch(value):
        raise ValueError(
            f"{value!r} is no address; write it like https://plimsoll.example.org,"
            " without user, query or fragment"
        )
    return value.rstrip("/")


Url = Annotated[str, AfterValidator(_url)]


class DashboardsConfig(BaseModel):
    """Where the dashboards point to, and where Grafana finds them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    plimsoll_url: Url = Field(
        "http://127.0.0.1:8750",
        description="Plimsoll's address as a browser reaches it; a click on a value leads there.",
    )
    prometheus_url: Url = Field(
        "http://127.0.0.1:9090",
        description="Prometheus' address as Grafana reaches it, for the example of a data source.",
    )
    grafana_directory: str = Field(
        "",
        description=(
            "The written directory as Grafana sees it, such as a mount in its container;"
            " empty when it is the same path."
        ),
    )
    metrics_series: int = Field(
        2000,
        ge=1,
        description="Most series of one signal on `/metrics`; those with an open regression come "
        "first, then those with the most observations. `plimsoll_signal_series_left_out` counts "
        "the rest.",
    )
    objective: float = Field(
        0.95,
        gt=0,
        lt=1,
        description="Share of the judged spans that must be within a fixed limit, on the dashboard "
        "about SLAs.",
    )
