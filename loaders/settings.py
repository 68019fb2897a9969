"""Settings of one home: mdash.toml, overridden by MDASH_… environment variables.

Secrets are read from files (or the environment) and never printed.
"""

from __future__ import annotations

from decimal import Decimal
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from loaders.errors import ConfigurationError


class Shop(BaseModel):
    """The merchant itself: name, business-day timezone and reading language."""

    model_config = ConfigDict(extra="forbid")
    name: str = ""
    timezone: str = "Asia/Shanghai"
    language: Literal["zh", "en"] = "zh"
    dashboard_url: str = ""
    """Where people reach the dashboard: links in messages begin with it."""

    @field_validator("timezone")
    @classmethod
    def _exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is not a timezone") from error
        return value


class Store(BaseModel):
    """Where the lake's catalog and data files are, and the ledger (absent: where the catalog is)."""

    model_config = ConfigDict(extra="forbid")
    catalog: str = "sqlite"
    data: str = "lake/"
    ledger: str | None = None


class Alerts(BaseModel):
    """Where alerts go: a webhook, people's mail boxes, both or neither."""

    model_config = ConfigDict(extra="forbid")
    webhook_url: str = ""
    webhook_secret_file: str = ""
    webhook_secret: SecretStr | None = None
    mail_to: tuple[str, ...] = ()


class Mail(BaseModel):
    """The mail server that takes messages of alerts and reports."""

    model_config = ConfigDict(extra="forbid")
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "ssl", "none"] = "starttls"
    smtp_ca_file: str = ""
    smtp_user: str = ""
    smtp_password_file: str = ""
    smtp_password: SecretStr | None = None
    mail_from: str = ""


class Receiver(BaseModel):
    """The notification receiver: when its log begins a new file, and how long files are kept."""

    model_config = ConfigDict(extra="forbid")
    rotate_bytes: int = Field(default=64 * 2**20, ge=2**16)
    keep_days: int = Field(default=90, ge=1)


def _yuan(value: object) -> object:
    """Yuan as people write them; never by way of a float's digits."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Yuan = Annotated[
    Decimal, BeforeValidator(_yuan), Field(ge=0, max_digits=13, decimal_places=2)
]


class Refunding(BaseModel):
    """The shop's own rules for refunds; absent amounts are no limit. `cancel_window_s` is on screen."""

    model_config = ConfigDict(extra="forbid")
    approval_above: Yuan | None = None
    max_amount: Yuan | None = None
    window_days: int = Field(default=365, ge=0, le=3650)
    cancel_window_s: int = Field(default=10, ge=0, le=600)

    @property
    def approval_above_fen(self) -> int | None:
        """Above it a second person approves."""
        return None if self.approval_above is None else int(self.approval_above.scaleb(2))

    @property
    def max_fen(self) -> int | None:
        """The most a single refund may be."""
        return None if self.max_amount is None else int(self.max_amount.scaleb(2))


class Reconciling(BaseModel):
    """Days after which an open item of the reconciliation is due, and overdue."""

    model_config = ConfigDict(extra="forbid")
    due_days: int = Field(default=1, ge=0, le=365)
    overdue_days: int = Field(default=3, ge=1, le=365)


class Oidc(BaseModel):
    """An OpenID Connect provider; its people are known by verified mail address."""

    model_config = ConfigDict(extra="forbid")
    client_id: str
    client_secret_file: str = ""
    client_secret: SecretStr | None = None
    server_metadata_url: str
    label: str = "OpenID Connect"


class Identity(BaseModel):
    """Sessions of people who signed in, and the sign-in service of the house if it has one."""

    model_config = ConfigDict(extra="forbid")
    idle_minutes: int = Field(default=30, ge=1, le=24 * 60)
    session_hours: int = Field(default=12, ge=1, le=7 * 24)
    oidc: Oidc | None = None


class Server(BaseModel):
    """Where the dashboard listens. Beyond this machine only once there are accounts.

    `trusted_proxies`: whose X-Forwarded-For says who asks; of none, this machine's own.
    """

    model_config = ConfigDict(extra="forbid")
    address: str = "127.0.0.1"
    trusted_proxies: tuple[str, ...] = ()

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(ip_network(item)) for item in value)

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return str(ip_address(value))

    @property
    def is_loopback(self) -> bool:
        """True if nobody but this machine is served."""
        return ip_address(self.address).is_loopback


class Retention(BaseModel):
    """Days that are kept; 0 keeps for ever. The notification log's are `receiver.keep_days`."""

    model_config = ConfigDict(extra="forbid")
    calls: int = Field(default=0, ge=0)
    trail: int = Field(default=0, ge=0)
    sessions: int = Field(default=90, ge=0)
    uploads: int = Field(default=1, ge=0)
    snapshots: int = Field(default=30, ge=1)
    """How long the lake's former states can be looked at; an erased buyer stands in them."""


class Buyers(BaseModel):
    """From where the buyers' numbers are told: METRICS D18 and the gates of a prediction, D21."""

    model_config = ConfigDict(extra="forbid")
    unproven_days: int = Field(default=90, ge=1)
    """So long buyers first seen after the data begins are not provably new, at least."""
    least_new: int = Field(default=1_000, ge=1)
    least_repeaters: int = Field(default=200, ge=2)
    most_correlation: float = Field(default=0.2, gt=0, le=1)
    most_error: float = Field(default=0.2, gt=0, le=1)


class Settings(BaseSettings):
    """Everything `mdash.toml` says. `channels` keeps each channel's own table unread."""

    model_config = SettingsConfigDict(
        env_prefix="MDASH_", env_nested_delimiter="__", extra="ignore", toml_file=None
    )
    home: Path
    shop: Shop = Field(default_factory=Shop)
    store: Store = Field(default_factory=Store)
    alerts: Alerts = Field(default_factory=Alerts)
    mail: Mail = Field(default_factory=Mail)
    receiver: Receiver = Field(default_factory=Receiver)
    refunds: Refunding = Field(default_factory=Refunding)
    reconciliation: Reconciling = Field(default_factory=Reconciling)
    identity: Identity = Field(default_factory=Identity)
    server: Server = Field(default_factory=Server)
    retention: Retention = Field(default_factory=Retention)
    buyers: Buyers = Field(default_factory=Buyers)
    channels: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        home = getattr(init_settings, "init_kwargs", {}).get("home")
        toml = Path(home) / "mdash.toml" if home else None
        source = TomlConfigSettingsSource(
            settings_cls, toml_file=toml if toml and toml.exists() else None
        )
        return init_settings, env_settings, source

    def file(self, name: str) -> Path:
        """The path of a file named in the settings; relative paths are under the home."""
        return self.home / Path(name).expanduser()

    def read_file(self, name: str) -> bytes:
        """Content of a file named in the settings. Raises ConfigurationError."""
        path = self.file(name)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ConfigurationError(
                "The file {path}, named in mdash.toml, cannot be read: {why}.",
                path=str(path),
                why=error.strerror or type(error).__name__,
            ) from error


def default_home() -> Path:
    """The platform's user-data folder of this program."""
    return Path(platformdirs.user_data_dir("mdash"))


def load_settings(home: Path) -> Settings:
    """Read the settings of a home; a home without mdash.toml has the defaults."""
    try:
        return Settings(home=home.absolute())
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigurationError(
            "mdash.toml: {key}: {why}.",
            key=".".join(str(part) for part in first["loc"]),
            why=first["msg"],
        ) from error
    except (ValueError, OSError) as error:
        raise ConfigurationError(
            "mdash.toml cannot be read: {why}.", why=str(error).splitlines()[0]
        ) from error
