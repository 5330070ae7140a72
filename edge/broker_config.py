"""The embedded broker's configuration file as text: who may publish and subscribe what. Pure."""

import json
from collections.abc import Iterable, Sequence

import msgspec

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


def agent_user(name: str, hash_: str, command_topic: str = "") -> User:
    """The agent: hears everything of ours, says only commands."""
    own = (command_topic.replace("/", "."),) if command_topic else ()
    return User(
        name,
        hash_,
        publish=("sensors.*.*.command", *own),
        subscribe=("sensors", "sensors.>", "exercise", "exercise.>", _DELIVERY),
    )


def drill_user(name: str, hash_: str) -> User:
    """The drill controller: the only one that may publish under `exercise/#`, and nothing else."""
    return User(name, hash_, publish=("exercise.>",))


def bridge_user(name: str, hash_: str) -> User:
    """A network server or a fleet that speaks for many devices."""
    return User(name, hash_, publish=("sensors.>",), subscribe=("sensors.*.*.command", _DELIVERY))


def device_users(devices: Iterable[DeviceConfig]) -> list[User]:
    """Every enabled device with a credential: publishes under its own topic, hears its own commands."""
    return [
        User(
            device.id,
            device.credential,
            publish=tuple(
                f"sensors.{device.site}.{device.id}.{channel}" for channel in ("telemetry", "event", "status")
            ),
            subscribe=(f"sensors.{device.site}.{device.id}.command", _DELIVERY),
        )
        for device in devices
        if device.enabled and device.credential
    ]


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
            "publish": {"allow": list(user.publish)} if user.publish else {"deny": [">"]},
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
