"""The section `storage` of plimsoll.yaml: where data is kept, and for how long."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from storage.duration import Seconds
from storage.state import StateError, make_engine, sqlite_url

DAY = 86_400.0


class StorageConfig(BaseModel):
    """Where history and state are kept, and for how long."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    directory: Path = Field(
        default=Path("plimsoll-data"),
        description="Directory of the history and, unless `state_url` is given, of the state.",
    )
    state_url: SecretStr | None = Field(
        default=None,
        description="Database of the state instead of a SQLite file: postgresql+psycopg://...",
    )
    state_url_file: Path | None = Field(
        default=None, description="File that holds the address of the state."
    )
    memory: str = Field(
        default="256MB",
        pattern=r"^[1-9][0-9]*(MB|GB)$",
        description="Memory that the history may use for its buffers, like 256MB or 2GB.",
    )
    keep_samples: Seconds = Field(default=8 * DAY, description="How long raw samples are kept.")
    keep_fine_windows: Seconds = Field(
        default=2 * DAY,
        description="How long windows of a signal's `window` are kept, or as long as rules need.",
    )
    keep_windows: Seconds = Field(
        default=35 * DAY, description="How long windows of a signal's `over` are kept."
    )
    keep_hourly_windows: Seconds = Field(
        default=400 * DAY, description="How long windows of an hour are kept, for long charts."
    )
    keep_judgements: Seconds = Field(
        default=8 * DAY, description="How long every single judgement is kept."
    )

    @field_validator("state_url")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            try:
                make_engine(value.get_secret_value()).dispose()
            except StateError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _enough_and_once(self) -> "StorageConfig":
        if self.state_url is not None and self.state_url_file is not None:
            raise ValueError("state_url and state_url_file say the same: keep one of them")
        if self.keep_windows < 8 * DAY:
            raise ValueError("keep_windows must be at least 8d: baselines look back 7 days")
        if self.keep_fine_windows < DAY / 4:
            raise ValueError("keep_fine_windows must be at least 6h: charts show 3 hours of them")
        if self.keep_hourly_windows < self.keep_windows:
            raise ValueError("keep_hourly_windows must be at least as long as keep_windows")
        return self

    @property
    def history_path(self) -> Path:
        """The DuckDB file."""
        return self.directory / "history.duckdb"

    def url(self) -> str:
        """The address of the state; with a password in it, so never to be shown."""
        if self.state_url is not None:
            return self.state_url.get_secret_value()
        if self.state_url_file is not None:
            try:
                return self.state_url_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", "it is no text")
                raise StateError(
                    f"{self.state_url_file} cannot be read ({reason}): "
                    "check `storage.state_url_file`"
                ) from None
        return sqlite_url(self.directory / "state.sqlite3")
