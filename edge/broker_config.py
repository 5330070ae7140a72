"""The embedded broker's configuration file as text: who may publish and subscribe what. Pure."""

import json
import re
from collections.abc import Iterable, Sequence

import msgspec

from device_profiles.sources.source import Sources
from wire.configuration import DeviceConfig

# NATS spells the MQTT topic a/b/c as the subject a.b.c; a filter a/# needs both `a` and `a.>`. Deliveries of QoS 1
# come over $MQTT.sub.>, so everyone who subscribes needs the right to it. Identifiers hold no dots (wire.topics).
_DELIVERY = "$MQTT.sub.>"


class User(msgspec.Struct, frozen=True):
    """One MQTT account: bcrypt hash and the subjects it may use."""

    name: str
    hash: str
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    never: tuple[str, ...] = ()  # subjects that it may not publish although a wildcard in `publish` would allow it


_NEVER = ("exercise", "exercise.>", "sensors.*.*.command", "$MQTT.>", "$JS.>", "$SYS.>")


def subjects(filter_: str) -> tuple[str, ...]:
    """The NATS subjects of an MQTT filter: `a/+/b/#` is `a.*.b` and `a.*.b.>`."""
    words = ["*" if level == "+" else level.replace(".", "//") for level in filter_.split("/")]
    if words[-1] != "#":
        return (".".join(words),)
    return (".".join(words[:-1]), ".".join([*words[:-1], ">"])) if len(words) > 1 else (">",)


def in_flight(most: int, filters: Sequence[str]) -> int:
    """Unacknowledged messages that the broker may send ahead on each subscription.

    All subscriptions of a session together may have 65,535 (a filter that ends in # counts twice), each what was set
    when it was made. The native ones may be of a time without sources; theirs stays reserved.
    """
    number = sum(2 if name.endswith("#") else 1 for name in filters)
    if not number:
        return most
    return max(1, min(most, MOST_EACH, (MOST_TOGETHER - NATIVE_CONSUMERS * min(most, 4096)) // number))


MOST_TOGETHER = 65_535
MOST_EACH = 1024
NATIVE_CONSUMERS = 4


def _all(filters: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(subject for each in filters for subject in subjects(each)))


def agent_user(name: str, hash_: str, command_topic: str = "", sources: Sources | None = None) -> User:
    """The agent: hears everything of ours and of the sources in use, says only commands."""
    own = (command_topic.replace("/", "."),) if command_topic else ()
    return User(
        name,
        hash_,
        publish=("sensors.*.*.command", *own),
        subscribe=(
            "sensors", "sensors.>", "exercise", "exercise.>", *_all(sources.filters if sources else ()), _DELIVERY,
        ),
    )  # fmt: skip


def with_actions(user: User, says: Iterable[str], hears: Iterable[str]) -> User:
    """The agent that also moves things: their command topics, their state topics."""
    return msgspec.structs.replace(
        user,
        publish=tuple(dict.fromkeys((*user.publish, *_all(says)))),
        subscribe=tuple(dict.fromkeys((*user.subscribe, *_all(hears)))),
    )


def drill_user(name: str, hash_: str) -> User:
    """The drill controller: the only one that may publish under `exercise/#`, and nothing else."""
    return User(name, hash_, publish=("exercise.>",))


def bridge_user(name: str, hash_: str, sources: Sources | None = None) -> User:
    """A network server, a bridge or a fleet that speaks for many devices: natively, and by the sources in use."""
    says = _all(each for source in sources or () for each in source.bridge_publishes)
    hears = _all(each for source in sources or () for each in source.bridge_hears)
    return User(
        name,
        hash_,
        publish=("sensors.>", *says),
        subscribe=("sensors.*.*.command", *hears, _DELIVERY),
        never=_NEVER if says else (),
    )


def device_users(devices: Iterable[DeviceConfig], sources: Sources | None = None) -> list[User]:
    """Every enabled device with a credential: publishes as itself alone, hears its own commands.

    One with an address speaks its source's topics instead of ours, if that source has devices that publish
    themselves (Shelly, Tasmota, ESPHome); one behind a bridge has no account.
    """
    users = []
    for device in devices:
        if not (device.enabled and device.credential):
            continue
        says = tuple(f"sensors.{device.site}.{device.id}.{channel}" for channel in ("telemetry", "event", "status"))
        hears: tuple[str, ...] = (f"sensors.{device.site}.{device.id}.command",)
        if device.address is not None:
            says, hears = _own(device.address, sources)
            if not says:
                continue
        users.append(User(device.id, device.credential, publish=says, subscribe=(*hears, _DELIVERY)))
    return users


def _own(address: str, sources: Sources | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name, _, own = address.partition(":")
    levels = own.split("/")
    # the first level of every source's topics is no name for a device: its account would reach all of them
    if sources is None or name not in sources or not all(_PLAIN.fullmatch(level) for level in levels):
        return (), ()
    reserved = {"sensors", "exercise"} | {each.split("/")[0] for source in sources for each in source.filters}
    if levels[0] in reserved:
        return (), ()
    publish, subscribe = sources[name].own(own)
    return _all(publish), _all(subscribe)


_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


def render(
    *,
    name: str,
    host: str,
    port: int,
    store_dir: str,
    users: Sequence[User],
    max_payload_bytes: int,
    max_in_flight: int,
    max_store_bytes: int,
) -> str:
    """The configuration of nats-server (its format takes JSON values).

    `ack_wait` 1 s: what a killed agent did not acknowledge comes back soon, before much newer readings.
    The payload bound is twice ours, so that a message somewhat too large reaches the side table instead of costing
    its sender the connection.
    """
    entries = []
    for user in users:
        permissions = {
            "publish": {"allow": list(user.publish), **({"deny": list(user.never)} if user.never else {})}
            if user.publish
            else {"deny": [">"]},
            "subscribe": {"allow": list(user.subscribe)} if user.subscribe else {"deny": [">"]},
        }
        entries.append(json.dumps({"user": user.name, "password": user.hash, "permissions": permissions}))
    listed = ",\n    ".join(entries)
    return f"""# Written by the agent at every change of the device table; changes by hand are lost.
server_name: {json.dumps(name)}
listen: "127.0.0.1:-1"
max_payload: {2 * max_payload_bytes}
max_pending: {max(67_108_864, 4 * max_payload_bytes)}
write_deadline: "10s"
jetstream {{
  store_dir: {json.dumps(store_dir)}
  max_memory_store: 67108864
  max_file_store: {max_store_bytes}
  sync_interval: "1s"
}}
mqtt {{
  host: {json.dumps(host)}
  port: {port}
  ack_wait: "1s"
  max_ack_pending: {max_in_flight}
}}
authorization {{
  timeout: 10
  users: [
    {listed}
  ]
}}
"""
