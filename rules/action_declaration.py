"""Actions as declared, made ready: which message moves a device, how it says that it moved. Validated; pure.

The cloud checks with it what people declare, the edge runs it.
"""

import base64
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from wire.action import ActionConfig, Command, Confirmation, Drive, Interlock, Move
from wire.topics import is_identifier, parse_topic

MOST = 500
LONGEST_S = 7 * 86_400.0
LIMITED = frozenset({"siren", "pump"})
"""Kinds that need a time limit: they wear, deafen or run dry. A barrier and a sign may stay as they are."""


class ActionError(ValueError):
    """An action that can't be run as it is written."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is published."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Actuator:
    """One action, ready to be moved."""

    config: ActionConfig
    on: Message
    off: Message
    confirm: Confirmation | None
    ask: Message | None

    def message(self, move: Move) -> Message:
        """Of a move."""
        return self.on if move == "on" else self.off

    def says(self, payload: bytes, awaited: Move) -> Move | None:
        """What a message on the state topic says; None: nothing that we know. `awaited` wins where both fit."""
        confirm = self.confirm
        if confirm is None:
            return None
        text = _at(payload, confirm.path)
        if text is None:
            return None
        word = text.lower()
        fits: list[Move] = []
        if word in {each.lower() for each in confirm.on}:
            fits.append("on")
        if word in {each.lower() for each in confirm.off}:
            fits.append("off")
        return awaited if awaited in fits else (fits[0] if fits else None)


def compile_all(
    configs: Sequence[ActionConfig], devices: Collection[str] | None, problems: list[str]
) -> Mapping[str, Actuator]:
    """Actuators by id; what is wrong goes to `problems`, a sentence each.

    Args:
        configs: of the document.
        devices: ids of registered devices: interlocks name them, and other actions. None: that is not looked at. An
            edge does not: what is not there is not known, and what is not known bars; a device that was taken away must
            not keep it from every later configuration.
        problems: takes what is wrong.
    """
    found: dict[str, Actuator] = {}
    names = {config.id for config in configs}
    if len(configs) > MOST:
        problems.append(f"{len(configs)} actions; an edge has at most {MOST}")
    for config in configs:
        if config.id in found:
            problems.append(f"action '{config.id}': stands twice")
            continue
        try:
            _check(config, devices, names)
            found[config.id] = actuator(config)
        except ActionError as error:
            problems.append(f"action '{config.id}': {error}")
    return found


def actuator(config: ActionConfig) -> Actuator:
    """One action, ready.

    Raises:
        ActionError: it has no commands, or ones that may not be published.
    """
    on, off, confirm = config.on, config.off, config.confirm
    if config.drive is not None:
        if on is not None or off is not None:
            raise ActionError("has a drive and commands of its own: write one of them")
        on, off, usual = _DRIVES[config.drive.use](config.drive)
        confirm = confirm or usual
    if on is None or off is None:
        raise ActionError("needs a drive, or both `on` and `off`")
    if confirm is not None:
        _check_confirmation(confirm)
    ask = None if confirm is None or confirm.ask is None else _message(confirm.ask)
    return Actuator(config, _message(on), _message(off), confirm, ask)


def _message(command: Command) -> Message:
    _check_topic(command.topic)
    parsed = parse_topic(command.topic)
    if command.topic.split("/", 1)[0] in {"sensors", "exercise"} and (
        parsed is None or parsed.channel != "command" or parsed.exercise is not None
    ):
        raise ActionError(f"'{command.topic}': of the native topics only sensors/<site>/<device>/command is commanded")
    if command.encoding == "text":
        return Message(command.topic, command.payload.encode())
    try:
        return Message(command.topic, bytes.fromhex(command.payload))
    except ValueError:
        raise ActionError(f"'{command.payload:.40}' is not hex") from None


def _check_topic(topic: str) -> None:
    if not topic or len(topic.encode()) > 500 or topic.startswith("$") or any(sign in topic for sign in "+#\0"):
        raise ActionError(f"'{topic:.80}' is not a topic to publish to")


def _check_confirmation(confirm: Confirmation) -> None:
    _check_topic(confirm.topic)
    if confirm.topic.startswith("exercise/"):
        raise ActionError("a drill confirms nothing: its topics are no state topics")
    if not 0.1 <= confirm.within_s <= 3600:
        raise ActionError("confirm.within_s is outside 0.1 … 3600")
    if not 0 <= confirm.retries <= 20:
        raise ActionError("confirm.retries is outside 0 … 20")
    if not confirm.on or not confirm.off:
        raise ActionError("confirm needs texts for on and for off")


def _check(config: ActionConfig, devices: Collection[str] | None, names: Collection[str]) -> None:
    for key in ("id", "site"):
        if not is_identifier(getattr(config, key)):
            raise ActionError(f"{key} '{getattr(config, key)}' is not an identifier")
    limit = config.max_on_s
    if limit is None and config.kind in LIMITED:
        raise ActionError(f"a {config.kind} needs a time limit (max_on_s)")
    if limit is not None and not 0 < limit <= LONGEST_S:
        raise ActionError(f"max_on_s is outside 0 … {LONGEST_S:g}")
    for key in ("min_on_s", "min_off_s"):
        if not 0 <= getattr(config, key) <= 86_400:
            raise ActionError(f"{key} is outside 0 … 86400")
    if limit is not None and config.min_on_s > limit:
        raise ActionError("min_on_s is longer than max_on_s")
    for lock in config.interlocks:
        _check_interlock(lock, config.id, devices, names)


def _check_interlock(lock: Interlock, own: str, devices: Collection[str] | None, names: Collection[str]) -> None:
    if (lock.device is None) == (lock.action is None):
        raise ActionError("an interlock names either a device or another action")
    if lock.action is not None and (lock.action == own or (devices is not None and lock.action not in names)):
        raise ActionError(f"an interlock names the action '{lock.action}', which is not another one of this edge")
    if lock.device is not None:
        if devices is not None and lock.device not in devices:
            raise ActionError(f"an interlock names the device '{lock.device}', which is not registered here")
        if not lock.point or (lock.at_least is None) == (lock.at_most is None):
            raise ActionError("an interlock on a device needs its point, and either at_least or at_most")
        if lock.max_age_s <= 0:
            raise ActionError("an interlock's max_age_s must be above 0")
    if lock.ends and lock.bars != "on":
        raise ActionError("only an interlock that bars `on` can end what is on")


# ------------------------------------------------------------ conventions


Expanded = tuple[Command, Command, Confirmation | None]


def _native(drive: Drive) -> Expanded:
    """`sensors/<site>/<device>/command` takes {"<point>": true}; the device's telemetry says the point."""
    site, slash, device = drive.address.partition("/")
    if not slash or not is_identifier(site) or not is_identifier(device):
        raise ActionError("a native drive's address is <site>/<device>")
    point = drive.part or "on"
    topic = f"sensors/{site}/{device}"
    on, off = drive.on or "true", drive.off or "false"
    return (
        Command(topic=f"{topic}/command", payload=f"{{{_json(point)}: {_value(on)}}}"),
        Command(topic=f"{topic}/command", payload=f"{{{_json(point)}: {_value(off)}}}"),
        Confirmation(
            topic=f"{topic}/telemetry", path=point, on=(on, "true", "1", "on"), off=(off, "false", "0", "off")
        ),
    )


def _zigbee2mqtt(drive: Drive) -> Expanded:
    """`<base>/<name>/set`, state on `<base>/<name>`, asked for by `/get`. A siren: part `alarm`."""
    part, on, off = drive.part or "state", drive.on or "ON", drive.off or "OFF"
    topic = f"zigbee2mqtt/{drive.address}"
    return (
        Command(topic=f"{topic}/set", payload=f"{{{_json(part)}: {_value(on)}}}"),
        Command(topic=f"{topic}/set", payload=f"{{{_json(part)}: {_value(off)}}}"),
        Confirmation(
            topic=topic, path=part, on=(on,), off=(off,),
            ask=Command(topic=f"{topic}/get", payload=f'{{{_json(part)}: ""}}'),
        ),
    )  # fmt: skip


def _tasmota(drive: Drive) -> Expanded:
    """`cmnd/<topic>/POWER<n>`, answered on `stat/<topic>/POWER<n>`; the empty payload asks."""
    power = f"POWER{drive.part}"
    on, off = drive.on or "ON", drive.off or "OFF"
    ask = Command(topic=f"cmnd/{drive.address}/{power}")
    return (
        Command(topic=ask.topic, payload=on),
        Command(topic=ask.topic, payload=off),
        Confirmation(topic=f"stat/{drive.address}/{power}", on=(on,), off=(off,), ask=ask),
    )


def _shelly(drive: Drive) -> Expanded:
    """RPC of the second generation: Switch.Set on `<prefix>/rpc`; Switch.GetStatus is answered on `<src>/rpc`."""
    number = drive.part or "0"
    if not number.isdecimal():
        raise ActionError("a Shelly's part is the number of its switch")
    source = f"{drive.address}/shouwang"

    def call(method: str, **parameters: Any) -> Command:
        body = {"id": 1, "src": source, "method": method, "params": {"id": int(number), **parameters}}
        return Command(topic=f"{drive.address}/rpc", payload=json.dumps(body))

    return (
        call("Switch.Set", on=True),
        call("Switch.Set", on=False),
        Confirmation(topic=f"{source}/rpc", path="result.output", ask=call("Switch.GetStatus")),
    )


def _chirpstack(drive: Drive) -> Expanded:
    """A confirmed downlink; the acknowledgement of the device is all that a class A or C device says."""
    application, slash, eui = drive.address.partition("/")
    if not slash or not application or len(eui) != 16:
        raise ActionError("a ChirpStack drive's address is <application>/<devEUI>")
    topic = f"application/{application}/device/{eui.lower()}"

    def down(hex_: str) -> Command:
        try:
            data = base64.b64encode(bytes.fromhex(hex_)).decode()
        except ValueError:
            raise ActionError(f"'{hex_:.40}' is not hex") from None
        if not data:
            raise ActionError("a ChirpStack drive needs the bytes of `on` and `off`, in hex")
        body = {"devEui": eui.lower(), "confirmed": True, "fPort": drive.port, "data": data}
        return Command(topic=f"{topic}/command/down", payload=json.dumps(body))

    return (
        down(drive.on),
        down(drive.off),
        Confirmation(
            topic=f"{topic}/event/ack", path="acknowledged", on=("true",), off=("true",), within_s=60.0, retries=1
        ),
    )


_DRIVES: Mapping[str, Callable[[Drive], Expanded]] = {
    "native": _native,
    "zigbee2mqtt": _zigbee2mqtt,
    "tasmota": _tasmota,
    "shelly": _shelly,
    "chirpstack": _chirpstack,
}


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _value(text: str) -> str:
    """As JSON: `true`, `1` and `{…}` stand for themselves, everything else is a text."""
    try:
        json.loads(text)
    except ValueError:
        return _json(text)
    return text


def _at(payload: bytes, path: str) -> str | None:
    """The text at a path of a JSON payload; without a path the payload itself."""
    if not path:
        return payload[:200].decode(errors="replace").strip().strip('"')
    try:
        value: Any = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, ValueError):
        return None
    for key in path.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int | float) else None
