"""What an administrator may set; every limit has its number here."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
    edge_offline_after_s: float = Field(20.0, gt=0)
    """No heartbeat for so long: the edge is cut off (one incident, not one a device)."""

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
