"""The agent's own settings: one TOML file. Every error names the key, what was expected, and what to do."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from device_profiles.error import ProfileError
from device_profiles.sources.source import NATIVE, Sources, UnknownSourceError, Use
from wire.action import ActionConfig
from wire.configuration import DeviceConfig
from wire.time import REAL, Timeline
from wire.topics import is_identifier


class SettingsError(ValueError):
    """A settings file that can't be used.

    Args:
        key: dotted key as in the file, `broker.port`; empty for the file as a whole.
        what: what is wrong and what was expected.
        fix: what to do.
    """

    def __init__(self, key: str, what: str, fix: str, file: Path | None = None) -> None:
        self.key = key
        self.what = what
        self.fix = fix
        self.file = file
        where = ": ".join(part for part in (str(file or ""), key) if part)
        super().__init__(f"{where}: {what}. {fix}." if where else f"{what}. {fix}.")


class EdgeSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who this edge is and where it keeps its things."""

    id: str
    data_dir: Path = Path("var/edge")
    profiles_dir: list[Path] = []  # folders of profiles beside the built-in library
    sources_dir: list[Path] = []  # folders of source files beside the built-in ones


class BrokerSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The MQTT broker: one of our own, or any other by URL."""

    mode: Literal["embedded", "external"] = "embedded"
    url: str = ""  # external
    username: str = ""
    password_file: Path | None = None
    host: str = "127.0.0.1"  # embedded
    port: int = 1883  # embedded; 0 = a free one
    max_payload_bytes: int = 1_048_576
    max_in_flight: int = 4096  # unacknowledged QoS 1 messages the embedded broker sends ahead
    max_store_bytes: int = 2_147_483_648  # of the embedded broker's JetStream
    binary: Path | None = None  # nats-server; default: the one installed with this program


class CloudSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where alerts go and the device table comes from."""

    url: str
    token_file: Path
    timeout_s: float = 10.0
    retry_first_s: float = 0.5
    retry_most_s: float = 30.0


class StatusSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """/metrics, /health and /status."""

    listen: str = "127.0.0.1:0"


class TelemetrySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of the readings goes up (docs/decisions/0010)."""

    send: Literal["all", "by_exception"] = "all"


class JournalSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of what waits for the cloud. Alarms have none: they are never dropped."""

    telemetry_bytes: int = 268_435_456  # the oldest readings go first, and the loss is recorded
    state_events: int = 20_000  # rejections and the like; the oldest go first, and the loss is recorded


class LocalSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the edge does itself when a level I or II alert is not committed by the cloud."""

    webhook_url: str = ""
    command_topic: str = ""  # an MQTT topic that a siren or a sign listens to
    after_s: float = 60.0


class SourceSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of `[[sources]]`: another convention that is listened to. One that is not listed is not subscribed."""

    use: str  # name of the source: chirpstack, the_things_stack, zigbee2mqtt, tasmota, shelly …
    prefix: str | None = None  # before its topics, instead of the usual one
    states: list[str] = []  # Home Assistant discovery: filters under which announced state topics may lie


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    edge: EdgeSection
    broker: BrokerSection = BrokerSection()
    cloud: CloudSection | None = None
    status: StatusSection = StatusSection()
    telemetry: TelemetrySection = TelemetrySection()
    journal: JournalSection = JournalSection()
    local: LocalSection = LocalSection()
    timelines: list[Timeline] = []
    devices: list[DeviceConfig] = []
    actions: list[ActionConfig] = []
    sources: list[SourceSection] = []

    def conventions(self) -> Sources | None:
        """The sources in use, compiled; None: none beside the native topics.

        Raises:
            UnknownSourceError: for one that does not exist.
            ProfileError: for a broken source file.
        """
        uses = [Use(each.use, each.prefix, tuple(each.states)) for each in self.sources]
        return Sources.load(*uses, folders=self.edge.sources_dir) if uses else None


_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]+)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]+)`")
_AT = re.compile(r" - at `\$\.?(?P<path>[^`]*)`$")


def load(path: Path) -> Settings:
    """Read a settings file; relative paths in it are relative to its folder.

    Raises:
        SettingsError: for anything that is wrong with it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError("", f"cannot be read: {error.strerror}", "Give the path of a settings file", path) from None
    except UnicodeDecodeError:
        raise SettingsError("", "is not UTF-8 text", "Save the file as UTF-8", path) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("", f"is not TOML: {error}", "Correct the line that is named", path) from None
    return parse(raw, path.parent, path)


def parse(raw: Mapping[str, Any], base: Path, file: Path | None = None) -> Settings:
    """Settings from a mapping.

    Args:
        raw: as TOML gives it.
        base: the folder that relative paths start from.
        file: named in errors.

    Raises:
        SettingsError: for anything that is wrong with it.
    """
    try:
        settings = msgspec.convert(raw, Settings, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise _explain(str(error), file) from None
    settings = _absolute(settings, base)
    _check(settings, file)
    return settings


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise TypeError(f"Expected `{kind.__name__.lower()}`, got `{type(value).__name__}`")


def _explain(message: str, file: Path | None) -> SettingsError:
    at = _AT.search(message)
    path = at["path"] if at else ""
    what = _AT.sub("", message).replace("`", "'").replace("...", "…")
    if match := _UNKNOWN.match(message):
        key = f"{path}.{match['field']}".lstrip(".")
        return SettingsError(key, "there is no such key", "Correct its spelling or take it out", file)
    if match := _MISSING.match(message):
        key = f"{path}.{match['field']}".lstrip(".")
        return SettingsError(key, "is missing", "Add it", file)
    return SettingsError(path, what[0].lower() + what[1:], "Give a value of that kind", file)


def _absolute(settings: Settings, base: Path) -> Settings:
    def full(path: Path | None) -> Path | None:
        return None if path is None else (base / path).resolve()

    edge, broker, cloud = settings.edge, settings.broker, settings.cloud
    return msgspec.structs.replace(
        settings,
        edge=msgspec.structs.replace(
            edge,
            data_dir=full(edge.data_dir),
            profiles_dir=[(base / path).resolve() for path in edge.profiles_dir],
            sources_dir=[(base / path).resolve() for path in edge.sources_dir],
        ),
        broker=msgspec.structs.replace(broker, password_file=full(broker.password_file), binary=full(broker.binary)),
        cloud=cloud and msgspec.structs.replace(cloud, token_file=full(cloud.token_file)),
    )


def _check(settings: Settings, file: Path | None) -> None:
    def refuse(key: str, what: str, fix: str) -> None:
        raise SettingsError(key, what, fix, file)

    if not is_identifier(settings.edge.id):
        refuse("edge.id", f"'{settings.edge.id}' is not an identifier", "Use letters, digits, '-' and '_', at most 64")
    for key in ("profiles_dir", "sources_dir"):
        for index, folder in enumerate(getattr(settings.edge, key)):
            if not folder.is_dir():
                refuse(f"edge.{key}[{index}]", f"'{folder}' is not a folder", "Make it or take it out")
    _check_broker(settings.broker, refuse)
    if settings.cloud is not None:
        _check_cloud(settings.cloud, refuse)
        for key, table in (
            ("devices", settings.devices),
            ("timelines", settings.timelines),
            ("actions", settings.actions),
        ):
            if table:
                refuse(
                    key,
                    "a local table stands beside [cloud], and the cloud's would win",
                    "Register them in the cloud, or take [cloud] out to work alone",
                )
    host_port(settings.status.listen, "status.listen", file)
    _check_bounds(settings, refuse)
    _check_table(settings, refuse)
    _check_sources(settings, refuse)


def _check_sources(settings: Settings, refuse: Any) -> None:
    seen: set[tuple[str, str | None]] = set()
    for index, source in enumerate(settings.sources):
        key = f"sources[{index}]"
        if source.use == NATIVE:
            refuse(f"{key}.use", "the native topics need no entry", "Take it out")
        if (source.use, source.prefix) in seen:
            refuse(f"{key}.use", f"'{source.use}' stands twice", "Give one of them another prefix")
        seen.add((source.use, source.prefix))
        for name, text in (
            ("prefix", source.prefix or ""),
            *((f"states[{n}]", s) for n, s in enumerate(source.states)),
        ):
            _check_filter(f"{key}.{name}", text, refuse, plain=name == "prefix")
        if source.use == "home_assistant" and not source.states:
            refuse(
                f"{key}.states",
                "is missing: the filters under which announced devices may publish their values",
                'Write them, as states = ["zigbee2mqtt/#", "sensors-of-mine/+/state"]',
            )
        if source.use != "home_assistant" and source.states:
            refuse(f"{key}.states", f"'{source.use}' has no announced topics", "Take it out")
    try:
        settings.conventions()
    except UnknownSourceError as error:
        index = next(i for i, source in enumerate(settings.sources) if source.use == error.name)
        refuse(f"sources[{index}].use", str(error), "Correct its spelling, or add its file to edge.sources_dir")
    except ProfileError as error:
        refuse("edge.sources_dir", str(error), "Correct the file that is named")


def _check_filter(key: str, text: str, refuse: Any, *, plain: bool) -> None:
    """A prefix, or a filter of state topics: never one that reaches the native topics or the broker's own."""
    first = text.partition("/")[0]
    if first in {"sensors", "exercise"}:
        refuse(key, f"'{text}' are the native topics", "Use another prefix")
    if first.startswith("$") or (not plain and (not first or first in {"+", "#"})):
        refuse(key, f"'{text}' would take in everything", "Begin it with a level of its own, as zigbee2mqtt/#")
    levels = text.split("/")
    wrong = [
        level
        for position, level in enumerate(levels)
        if (level == "#" and position < len(levels) - 1) or (len(level) > 1 and ("+" in level or "#" in level))
    ]
    if wrong or (plain and any(sign in text for sign in "+#{}\0")):
        refuse(
            key, f"'{text}' is not {'a prefix' if plain else 'an MQTT filter'}", "Use + for a level and # at the end"
        )


def _check_broker(broker: BrokerSection, refuse: Any) -> None:
    if broker.mode == "external":
        url = urlsplit(broker.url)
        if url.scheme not in {"mqtt", "mqtts"} or not url.hostname:
            refuse(
                "broker.url", f"'{broker.url}' is not an MQTT address", "Write mqtt://host:1883 or mqtts://host:8883"
            )
        if broker.password_file is not None and not broker.password_file.is_file():
            refuse("broker.password_file", f"'{broker.password_file}' is not a file", "Put the password into it")
        if broker.password_file is not None and not broker.username:
            refuse("broker.username", "is missing beside broker.password_file", "Add it")
    elif broker.url:
        refuse("broker.url", "an embedded broker has no URL", 'Set broker.mode = "external", or take the URL out')
    if not 0 <= broker.port <= 65535:
        refuse("broker.port", f"{broker.port} is not a port", "Use 1 to 65535, or 0 for a free one")
    if not 1024 <= broker.max_payload_bytes <= 67_108_864:
        refuse("broker.max_payload_bytes", "is outside 1024 … 67108864", "Use 1048576 (1 MiB)")
    if not 64 <= broker.max_in_flight <= 65535:
        refuse("broker.max_in_flight", "is outside 64 … 65535", "Use 4096")
    if broker.max_store_bytes < 16_777_216:
        refuse("broker.max_store_bytes", "is below 16777216 (16 MiB)", "Use 2147483648 (2 GiB)")


def _check_cloud(cloud: CloudSection, refuse: Any) -> None:
    url = urlsplit(cloud.url)
    if url.scheme not in {"http", "https"} or not url.hostname:
        refuse("cloud.url", f"'{cloud.url}' is not a web address", "Write https://host")
    if not cloud.token_file.is_file():
        refuse(
            "cloud.token_file",
            f"'{cloud.token_file}' is not a file",
            "Put the token that the cloud gave for this edge into it",
        )
    for key in ("timeout_s", "retry_first_s", "retry_most_s"):
        if not 0 < getattr(cloud, key) <= 3600:
            refuse(f"cloud.{key}", "is outside 0 … 3600 seconds", "Take it out to use the default")


def _check_bounds(settings: Settings, refuse: Any) -> None:
    if settings.journal.telemetry_bytes < 1_048_576:
        refuse("journal.telemetry_bytes", "is below 1048576 (1 MiB)", "Use 268435456 (256 MiB)")
    if settings.journal.state_events < 100:
        refuse("journal.state_events", "is below 100", "Use 20000")
    local = settings.local
    if local.webhook_url and urlsplit(local.webhook_url).scheme not in {"http", "https"}:
        refuse("local.webhook_url", f"'{local.webhook_url}' is not a web address", "Write http://host/path")
    if any(sign in local.command_topic for sign in "+#"):
        refuse("local.command_topic", "is a filter, not a topic", "Write one topic without + and #")
    if not 0 <= local.after_s <= 3600:
        refuse("local.after_s", "is outside 0 … 3600 seconds", "Use 60")


def _check_table(settings: Settings, refuse: Any) -> None:
    names = {REAL} | {timeline.name for timeline in settings.timelines}
    seen: set[str] = set()
    for index, device in enumerate(settings.devices):
        for key in ("id", "site"):
            if not is_identifier(getattr(device, key)):
                refuse(
                    f"devices[{index}].{key}",
                    f"'{getattr(device, key)}' is not an identifier",
                    "Use letters, digits, '-' and '_', at most 64",
                )
        if device.id in seen:
            refuse(f"devices[{index}].id", f"'{device.id}' stands twice", "Give each device an id of its own")
        if device.timeline not in names:
            refuse(
                f"devices[{index}].timeline",
                f"there is no timeline '{device.timeline}'",
                "Add it under [[timelines]], or take the key out for real time",
            )
        seen.add(device.id)


def host_port(text: str, key: str, file: Path | None = None) -> tuple[str, int]:
    """`127.0.0.1:9090` -> its parts.

    Raises:
        SettingsError: for anything else.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(key, f"'{text}' is not host:port", "Write 127.0.0.1:9090; port 0 is a free one", file)
    return host.strip("[]"), int(port)
