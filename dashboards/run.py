"""Write the dashboards and what Grafana and Prometheus need to pick them up, only what changed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from dashboards.config import DashboardsConfig
from dashboards.normalise import text
from dashboards.sheets import dashboards
from dashboards.signals import SignalPanel
from dashboards.writing import Written, put


def write(
    directory: Path, signals: Sequence[SignalPanel], config: DashboardsConfig | None = None
) -> list[Written]:
    """Make the directory hold today's dashboards and say of each file what became of it.

    A file is replaced as a whole or not at all, and not touched when it would stay the same: so
    Grafana, which looks at the times of files, reloads only what is new. Others are left alone.
    """
    files = contents(directory, signals, config or DashboardsConfig())
    return [Written(path, put(path, content)) for path, content in files.items()]


def contents(
    directory: Path, signals: Sequence[SignalPanel], config: DashboardsConfig
) -> dict[Path, str]:
    """Every file by its path."""
    seen_by_grafana = config.grafana_directory.rstrip("/") or str(directory.resolve())
    provisioning = directory / "provisioning"
    return {
        **{
            directory / "dashboards" / f"{one.uid}.json": text(one)
            for one in dashboards(signals, config)
        },
        provisioning / "dashboards" / "plimsoll.yaml": provider(f"{seen_by_grafana}/dashboards"),
        # Grafana reads every .yaml there, so the example has an ending that it passes over.
        provisioning / "datasources" / "prometheus.yaml.example": source(config.prometheus_url),
        directory / "prometheus" / "plimsoll.yml": scrape_job(config.plimsoll_url),
    }


def provider(path: str) -> str:
    """The provisioning that makes Grafana load the dashboards from `path`."""
    return commented(
        """
        Copy or mount into Grafana's provisioning/dashboards. The path is where Grafana sees the
        dashboards; `dashboards.grafana_directory` in plimsoll.yaml changes it.
        """,
        {
            "apiVersion": 1,
            "providers": [
                {
                    "name": "plimsoll",
                    "type": "file",
                    "folder": "Plimsoll",
                    "allowUiUpdates": False,
                    "disableDeletion": False,
                    "updateIntervalSeconds": 30,
                    "options": {"path": path},
                }
            ],
        },
    )


def source(prometheus_url: str) -> str:
    """A data source for those who have none yet."""
    return commented(
        """
        Needed only when Grafana has no Prometheus data source yet: copy into its
        provisioning/datasources and let the name end in .yaml.
        timeInterval is Prometheus' scrape interval: the rates of every panel rest on it.
        """,
        {
            "apiVersion": 1,
            "datasources": [
                {
                    "name": "Prometheus",
                    "type": "prometheus",
                    "access": "proxy",
                    "url": prometheus_url,
                    "jsonData": {"httpMethod": "POST", "timeInterval": "15s"},
                }
            ],
        },
    )


def scrape_job(plimsoll_url: str) -> str:
    """The jobs with which Prometheus scrapes Plimsoll; the second is about web vitals."""
    url = urlsplit(plimsoll_url)
    common = {
        "honor_labels": True,
        "scheme": url.scheme,
        "scrape_interval": "15s",
        "static_configs": [{"targets": [host_and_port(url.netloc, url.scheme)]}],
    }
    return commented(
        """
        Put under scrape_config_files in prometheus.yml, or copy the jobs into its scrape_configs.
        honor_labels keeps the labels of the judged series (job, instance, ...) as Plimsoll names
        them; without it they become exported_job and so on, and the dashboards miss them. The
        second job is for the histograms of web vitals; without web vitals it may go.
        """,
        {
            "scrape_configs": [
                {"job_name": "plimsoll", "metrics_path": f"{url.path}/metrics", **common},
                {
                    "job_name": "plimsoll-web-vitals",
                    "metrics_path": f"{url.path}/metrics/rum",
                    **common,
                },
            ]
        },
    )


def host_and_port(netloc: str, scheme: str) -> str:
    """The address with its port written out, as the label `instance` shows it."""
    has_port = ":" in netloc.rpartition("]")[2]
    return netloc if has_port else f"{netloc}:{443 if scheme == 'https' else 80}"


def commented(comment: str, content: dict[str, Any]) -> str:
    """YAML under a comment."""
    lines = [f"# {line.strip()}" for line in comment.strip().splitlines()]
    return "\n".join(lines) + "\n" + yaml.safe_dump(content, sort_keys=False)
