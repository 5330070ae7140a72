"""What an administrator may set; every limit has its number here."""

from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

WEB_DIST = Path(__file__).parent / "web" / "dist"


class Settings(BaseModel):
    """Settings of one cloud process.

    Loopback by default: an address that others can reach is a decision of the administrator.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Path("var/cloud")
    database_url: str = ""
    """Empty: SQLite in `data_dir`. Otherwise `sqlite+aiosqlite:///…` or `postgresql+asyncpg://…`."""
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    secure_cookies: bool = False
    """Set when the service is reached by HTTPS: the session cookie then never travels in the clear."""
    web_dist: Path = WEB_DIST
    demo_timeline: str | None = None
    """Name of the timeline that a demonstration runs on; the screens then say so."""

    session_hours: float = Field(12.0, gt=0, le=24 * 31)
    login_failures: int = Field(8, ge=1, le=100)
    """Failed sign-ins of one name or one address within `login_window_s` before further ones are refused."""
    login_window_s: float = Field(300.0, gt=0, le=86_400)

    feed_retention_hours: float = Field(7 * 24.0, gt=0)
    feed_retention_rows: int = Field(2_000_000, ge=1_000)
    feed_clock_s: float = Field(5.0, gt=0, le=60)
    telemetry_retention_days: float = Field(400.0, gt=0)
    body_limit_bytes: int = Field(1024 * 1024, ge=1024)
    upload_limit_bytes: int = Field(8 * 1024 * 1024, ge=1024)
    """For edge batches and spreadsheet imports."""

    acknowledge_within_s: float = Field(60.0, gt=0)
    accept_within_s: float = Field(60.0, gt=0)
    automatic_offers: bool = True
    """Smoke of level I or II is offered to the micro fire station at once, before anybody at the desk acts."""
    auto_dispatch: dict[Literal["I", "II", "III", "IV"], Literal["offer", "reserve", "propose"]] = {}
    """What each level sets off by itself, where it differs from: I and II offer, III and IV propose."""
    timer_lease_s: float = Field(30.0, gt=0, le=600)
    """What a worker that died had claimed is taken up by another after so long."""
    notify_webhook_url: str | None = Field(None, pattern=r"^https?://")
    """Where every notification is posted as JSON, beside the screens and the log file."""
    push_contact: str = Field("mailto:postmaster@localhost", pattern=r"^(mailto:|https://).+")
    """Whom a push service asks when something is wrong with our pushes; some take real addresses only."""
    notify_local_addresses: bool = False
    """Lets push addresses that people give lead to plain HTTP and into one's own network: tests, own push services."""
    smtp_url: SecretStr | None = Field(None, description="mailto(s)://user:password@host?from=…, as Apprise writes it")
    sms_gateway_url: str | None = Field(None, pattern=r"^https?://")
    sms_gateway_token: SecretStr | None = None
    telephone_gateway_url: str | None = Field(None, pattern=r"^https?://")
    """Where calls are ordered (docs/notification.md); the key of its signatures is `secrets/telephone-gateway.key`."""
    public_url: str = Field("", pattern=r"^(https?://[^?#]+[^/?#])?$")
    """How gateways reach this service, for the callbacks and clips named to them; empty: `http://host:port`."""
    quiet_hours: tuple[tuple[str, str], ...] = (("22:00", "07:00"),)
    """Local time, for people's own ways and whoever is not on duty; never for levels I and II."""
    quiet_how: Literal["wait", "silent"] = "wait"
    call_levels: tuple[Literal["I", "II", "III", "IV"], ...] = ("I", "II")
    """Levels at which 叫应 begins with the alarm."""
    call_hazards: tuple[str, ...] = ("smoke", "water_level", "curtain_wall")
    """Hazards for which people of the place are called."""
    call_ring_s: float = Field(20.0, ge=5, le=120)
    """No answer for so long: the next contact is called."""
    call_confirm_s: float = Field(30.0, ge=5, le=300)
    """Answered, and nobody has pressed the key that says *on my way*: the next contact is called too."""
    heartbeat_url: str | None = Field(None, pattern=r"^https?://")
    """Posted to after each synthetic alert that came through; whoever watches there notices when it stops."""
    heartbeat_every_s: float = Field(300.0, ge=5, le=86_400)
    whistle_street_share_percent: float = Field(30.0, ge=30, le=100)
    """街道评价: how much of a department's assessment is the street's rating; 30 % is its floor."""
    household_retention_days: float = Field(365.0, ge=30, le=3650)
    """A household card that nobody has reviewed for so long is erased."""
    edge_offline_after_s: float = Field(20.0, gt=0)
    """No heartbeat for so long: the edge is cut off (one incident, not one a device)."""

    time_zone: str = Field("Asia/Shanghai", max_length=64)
    """Of new rotas, of the hours that must be covered, and of printed sheets; an IANA name."""
    long_duty_hours: float = Field(12.0, gt=0, le=72)
    """Whoever has been on for longer, by their own stamps, is shown so and asked after others."""
    take_over_within_s: float = Field(900.0, gt=0, le=86_400)
    """A hand-over that the incoming has not taken by then is overdue: both and the duty leader hear of it."""

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"there is no time zone '{value}': take an IANA name, e.g. Asia/Shanghai") from error
        return value

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'cloud.sqlite'}"

    @property
    def telemetry_path(self) -> Path:
        """The DuckDB file."""
        return self.data_dir / "telemetry.duckdb"

    @property
    def secrets_dir(self) -> Path:
        """Folder (0700) of files (0600) with tokens and generated passwords."""
        return self.data_dir / "secrets"
