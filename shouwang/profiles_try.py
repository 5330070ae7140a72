"""`shouwang profiles try`: listens on a live broker and shows what a profile makes of every message."""

import asyncio
import contextlib
import os
import secrets
import signal
import ssl
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote, urlsplit

import typer

from device_profiles.profile import Profile
from device_profiles.sources.source import SourceError
from shouwang.profiles_live import Arrival, Live, ProfileOnDisk
from shouwang.profiles_message import error_line, lines
from shouwang.profiles_named import (
    WRONG,
    FolderOption,
    JsonOption,
    ParameterOption,
    parameters_of,
    print_json,
    profile_file,
    profile_of,
    usage,
)
from shouwang.profiles_source import Opener, PrefixOption, SourceOption, brief, told
from wire.time import format_instant, now_ms

if TYPE_CHECKING:
    import aiomqtt

LOOK_S = 0.25
"""So often the profile file is looked at, and the table drawn again."""

BACKOFF_S = (0.5, 10.0)


def try_(
    name: Annotated[str | None, typer.Argument(help="vendor/model, or the path of a profile file.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="The same, as an option.")] = None,
    broker: Annotated[
        str | None,
        typer.Option(
            envvar="SHOUWANG_BROKER",
            help="mqtt://user:password@host:1883, or mqtts:// for TLS; special characters of a password as %XX.",
        ),
    ] = None,
    topic: Annotated[
        str, typer.Option("--topic", "-t", help="MQTT filter, as 'application/+/device/+/event/up'.")
    ] = "",
    credentials: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file {url, username, password}, as bridge.json of an edge. Or by the environment: "
            "SHOUWANG_BROKER, SHOUWANG_BROKER_USERNAME, SHOUWANG_BROKER_PASSWORD."
        ),
    ] = None,
    ca: Annotated[Path | None, typer.Option("--ca", help="With mqtts: the certificate authority, PEM.")] = None,
    source: SourceOption = None,
    prefix: PrefixOption = None,
    fport: Annotated[int | None, typer.Option("--fport", min=0, max=255, help="The LoRaWAN port.")] = None,
    count: Annotated[int | None, typer.Option(min=1, help="End after so many messages.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="End after so many seconds.")] = None,
    parameter: ParameterOption = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Listens on a broker and shows decoded values as they come; edit the profile meanwhile and see the effect at once.

    Ends with Ctrl-C, --count or --seconds. Exit code 1 when no message came; a payload that cannot be decoded is shown
    and ends nothing. With --json one object a message, and {"reloaded": …} when the profile file has changed.
    """
    chosen = name or profile
    if chosen is None or (name and profile):
        raise usage("name one profile: vendor/model or the path of a profile file")
    opener = None if source is None else Opener.of(source, prefix)
    if opener is None and prefix:
        raise usage("--prefix belongs to --source")
    if not topic and opener is None:
        raise usage("--topic says where the device speaks, as --topic 'zigbee2mqtt/hall-smoke'; or --source")
    if topic and not _is_filter(topic):
        raise usage(f"'{topic}' is no MQTT filter: + stands for one whole level, # for the rest and only at the end")
    address = _address(broker, credentials, ca)
    live = Live(_on_disk(chosen, folder, parameter))
    topics = [topic] if topic or opener is None else opener.source.filters
    listening = Listening(live, address, topics, opener, fport, count, as_json=as_json)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started with it ignored
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(listening.run(seconds))
    if live.messages == 0:
        print(f"no message came on {', '.join(topics)}", file=sys.stderr)
        raise typer.Exit(WRONG)


def _on_disk(name: str, folder: list[Path] | None, parameter: list[str] | None) -> ProfileOnDisk:
    file = profile_file(name)
    if file is None:
        file = Path(profile_of(name, folder).file)
    elif not file.is_file():
        raise usage(f"there is no file '{file}'")

    def parameters(profile: Profile) -> dict[str, float]:
        # an author may take a parameter out for a while: that ends nothing
        known = {one.name for one in profile.parameters}
        return parameters_of(profile, [entry for entry in parameter or [] if entry.partition("=")[0] in known])

    on_disk = ProfileOnDisk(file, parameters)
    on_disk.changed()
    if on_disk.profile is not None:
        parameters_of(on_disk.profile, parameter)  # a slip in the call itself is told
    return on_disk


def _is_filter(topic: str) -> bool:
    levels = topic.split("/")
    rest = "#" not in topic or (levels[-1] == "#" and topic.count("#") == 1)
    return rest and all("+" not in level or level == "+" for level in levels) and "\0" not in topic


def _address(broker: str | None, credentials: Path | None, ca: Path | None) -> dict[str, Any]:
    """Arguments for the MQTT client."""
    import msgspec

    username, password = os.environ.get("SHOUWANG_BROKER_USERNAME"), os.environ.get("SHOUWANG_BROKER_PASSWORD")
    if credentials is not None:
        try:
            read = msgspec.json.decode(credentials.read_bytes(), type=dict[str, Any])
        except (OSError, msgspec.MsgspecError) as error:
            raise usage(f"{credentials} cannot be read as {{url, username, password}}: {error}") from None
        broker = broker or read.get("url")
        username, password = read.get("username", username), read.get("password", password)
    if broker is None:
        raise usage("--broker says where to listen, as mqtt://user:password@127.0.0.1:1883")
    url = urlsplit(broker if "://" in broker else f"mqtt://{broker}")
    try:
        port = url.port
    except ValueError:
        raise usage(f"'{broker}' is no broker: the port is no number; write mqtt://host:1883") from None
    if url.scheme not in ("mqtt", "mqtts") or not url.hostname:
        raise usage(f"'{broker}' is no broker: write mqtt://host:1883 or mqtts://host:8883")
    arguments: dict[str, Any] = {
        "hostname": url.hostname,
        "port": port or (8883 if url.scheme == "mqtts" else 1883),
        "username": unquote(url.username) if url.username else username,
        "password": unquote(url.password) if url.password else password,
    }
    if url.scheme == "mqtts":
        try:
            arguments["tls_context"] = ssl.create_default_context(cafile=None if ca is None else str(ca))
        except (OSError, ssl.SSLError) as error:
            raise usage(f"--ca {ca} cannot be used: {error}") from None
    elif ca is not None:
        raise usage("--ca belongs to mqtts://")
    return arguments


class Listening:
    """The connection, the file being edited, and the screen."""

    def __init__(
        self,
        live: Live,
        address: dict[str, Any],
        topics: list[str],
        opener: Opener | None,
        fport: int | None,
        count: int | None,
        *,
        as_json: bool,
    ) -> None:
        self.live = live
        self.address = address
        self.topics = topics
        self.opener = opener
        self.fport = fport
        self.count = count
        self.as_json = as_json
        self.link = "connecting"
        self.table = not as_json and sys.stdout.isatty()

    async def run(self, seconds: float | None) -> None:
        """Until enough came, the time is over, or someone ends it."""
        if self.table:
            from shouwang.profiles_screen import screen

            with screen(self) as draw:
                await self._until_end(seconds, draw)
            return
        self._say_problems()
        await self._until_end(seconds, None)

    async def _until_end(self, seconds: float | None, draw: Any) -> None:
        tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look(draw))]
        try:
            done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if draw is not None:
                draw()
        for task in done:
            task.result()

    async def _look(self, draw: Any) -> None:
        """Looks at the file and redraws."""
        while True:
            if self.live.on_disk.changed():
                self._reloaded()
            if draw is not None:
                draw()
            await asyncio.sleep(LOOK_S)

    async def _listen(self) -> None:
        """Connects again and again; refuses to go on only where the broker refuses us."""
        import aiomqtt
        from aiomqtt.exceptions import MqttConnectError

        delay = BACKOFF_S[0]
        ever = False
        while True:
            try:
                async with self._client() as client:
                    for topic in self.topics:
                        granted = await client.subscribe(topic, qos=1)
                        if any(getattr(code, "value", code) >= 0x80 for code in granted):
                            raise usage(f"the broker refuses the subscription to {topic}: no permission?")
                    ever, delay = True, BACKOFF_S[0]
                    self._linked("listening")
                    async for message in client.messages:
                        self._arrived(message)
                        if self.count is not None and self.live.messages >= self.count:
                            return
            except aiomqtt.MqttCodeError as error:
                if not ever and isinstance(error, MqttConnectError):
                    raise usage(f"the broker refuses: {error}") from None
                self._linked(f"connection lost ({error}), trying again")
            except (aiomqtt.MqttError, OSError) as error:
                if not ever:
                    where = f"{self.address['hostname']}:{self.address['port']}"
                    raise usage(f"no broker answers at {where}: {error}") from None
                self._linked(f"connection lost ({error}), trying again")
            await asyncio.sleep(delay)
            delay = min(delay * 2, BACKOFF_S[1])

    def _client(self) -> "aiomqtt.Client":
        import aiomqtt

        identifier = f"shouwang-try-{secrets.token_hex(4)}"
        return aiomqtt.Client(**self.address, identifier=identifier, timeout=10, max_queued_incoming_messages=10_000)

    def _arrived(self, message: "aiomqtt.Message") -> None:
        for arrival in self._arrivals(str(message.topic), bytes(message.payload), retained=bool(message.retain)):
            line = self.live.take(arrival)
            if self.as_json:
                print_json(line)
            elif not self.table:
                self._print(line)

    def _arrivals(self, topic: str, payload: bytes, *, retained: bool) -> Iterator[Arrival]:
        plain = Arrival(topic, payload, format_instant(now_ms()), fport=self.fport, retained=retained)
        if self.opener is None:
            yield plain
            return
        found = self.opener.open(topic, payload)
        if isinstance(found, SourceError):
            yield replace(plain, problem=found.detail)
            return
        for each in found:
            if each.kind != "ignored":
                port = each.fport if self.fport is None else self.fport
                envelope = told(each)
                yield replace(plain, payload=each.payload, fport=port, envelope=envelope, partial=each.partial)

    def _print(self, line: dict[str, Any], note: str = "") -> None:
        print(f"\n{line['received_at']} {line['topic']}{note}", flush=True)
        if "envelope" in line:
            print(brief(line["envelope"]), flush=True)
        decoder = self.live.on_disk.decoder
        if decoder is not None:
            for text in lines(line, decoder):
                print(text, flush=True)
        for error in line["errors"]:
            print(error_line(error), flush=True)

    def _reloaded(self) -> None:
        line = self.live.again()
        if self.as_json:
            print_json({"reloaded": str(self.live.on_disk.file), "problems": self.live.on_disk.problems})
            if line is not None:
                print_json(line | {"again": True})
        elif not self.table:
            self._say_problems()
            if line is not None:
                self._print(line, " again, by the changed profile")

    def _say_problems(self) -> None:
        for problem in self.live.on_disk.problems:
            print(problem, file=sys.stderr, flush=True)

    def _linked(self, state: str) -> None:
        self.link = state
        if not self.table:
            print(f"{state}: {', '.join(self.topics)}", file=sys.stderr, flush=True)
