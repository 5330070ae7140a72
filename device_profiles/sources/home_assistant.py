"""Home Assistant discovery: devices announce which of their topics carry what. Pure.

An announcement (`homeassistant/<component>/[<node>/]<object>/config`) names a state topic, how the value stands in it
(a template) and what it means (a device class). Several entities share a state topic; entities belong to devices. A
message on an announced topic becomes one payload for each device that speaks there: an object with each entity's value
under its device class, under `<component>.<device class>` and under its object id – what a profile with a frame of kind
`keys` reads.

Templates are Jinja programs; read are the simple ones, `{{ value_json.a.b }}` and `{{ value_json['a'][0] }}` with
harmless filters. What can't be read is an error of the announcement, visible, and never evaluated.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from device_profiles.sources.envelope import LONGEST_ADDRESS, Envelope, Refusal, Status, checked, read_json, word
from device_profiles.sources.source import Match, Source
from device_profiles.sources.source_document import SourceDocument
from device_profiles.sources.topic_pattern import LONGEST_TOPIC, covers

MOST_ENTITIES = 5_000
COMPONENTS = frozenset({"binary_sensor", "sensor"})
_ABBREVIATED = {
    "avty": "availability",
    "avty_mode": "availability_mode",
    "avty_t": "availability_topic",
    "avty_tpl": "availability_template",
    "cmps": "components",
    "dev": "device",
    "dev_cla": "device_class",
    "obj_id": "object_id",
    "p": "platform",
    "pl_avail": "payload_available",
    "pl_not_avail": "payload_not_available",
    "pl_off": "payload_off",
    "pl_on": "payload_on",
    "stat_t": "state_topic",
    "t": "topic",
    "uniq_id": "unique_id",
    "val_tpl": "value_template",
}
_ABBREVIATED_DEVICE = {
    "cns": "connections",
    "ids": "identifiers",
    "mdl": "model",
    "mdl_id": "model_id",
    "mf": "manufacturer",
}
_TEMPLATE = re.compile(
    r"\{\{-?\s*(value_json|value)((?:\.\w+|\[\s*(?:'[^']*'|\"[^\"]*\"|\d+)\s*\])*)\s*((?:\|[^|{}]*)*)-?\}\}"
)
_STEP = re.compile(r"\.(\w+)|\[\s*(?:'([^']*)'|\"([^\"]*)\"|(\d+))\s*\]")
_HARMLESS = re.compile(r"\|\s*(?:int|float|string|trim|round|is_defined|default|d)\s*(?:\([^()]*\))?\s*")


class _Template(NamedTuple):
    """Where a value stands in a state message; no steps and not JSON: the message itself."""

    json: bool
    steps: tuple[str | int, ...]

    def find(self, text: str, data: Any) -> Any:
        """The value, or None."""
        if not self.json:
            return text
        for step in self.steps:
            if data.__class__ is dict:
                data = data.get(step if isinstance(step, str) else str(step))
            elif data.__class__ is list and isinstance(step, int) and step < len(data):
                data = data[step]
            else:
                return None
        return data


class _Entity(NamedTuple):
    """One announced value."""

    device: Envelope
    component: str
    object_id: str
    device_class: str | None
    topic: str
    template: _Template
    words: dict[str, bool] | None  # of binary sensors
    availability: tuple[tuple[str, _Template, dict[str, Status]], ...]

    def put(self, values: dict[str, Any], text: str, data: Any) -> None:
        """Put the value that a message holds under the entity's names; nothing where it holds none."""
        value = self.template.find(text, data)
        if self.words is not None and value is not None:
            value = self.words.get(_rendered(value).strip())
        value = word(value)
        if value is None or isinstance(value, dict | list) or (isinstance(value, float) and not math.isfinite(value)):
            return
        if self.device_class is not None:
            values.setdefault(self.device_class, value)
            # `battery` is a percentage of a sensor and a warning of a binary sensor: who must tell them apart, can
            values.setdefault(f"{self.component}.{self.device_class}", value)
        values[self.object_id] = value


def template(text: str | None) -> _Template:
    """A template read; a `Refusal` for one that is a program."""
    if text is None:
        return _Template(False, ())
    found = _TEMPLATE.fullmatch(text.strip())
    if found is None or not re.fullmatch(f"(?:{_HARMLESS.pattern})*", found[3].rstrip("- \n")):
        raise Refusal(
            f"the template {text[:80]!r} is not simple; read are {{{{ value_json.path }}}} and {{{{ value }}}}"
        )
    steps = tuple(
        int(step[4]) if step[4] else next(part for part in step.groups()[:3] if part is not None)
        for step in _STEP.finditer(found[2])
    )
    if found[1] == "value" and steps:
        raise Refusal(f"the template {text[:80]!r} looks into what is text")
    return _Template(found[1] == "value_json", steps)


def _rendered(value: Any) -> str:
    """A value as a template would print it."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class HomeAssistant(Source):
    """The source that learns its state topics from announcements.

    Only topics under the filters in `Use.states` are listened to: what a stranger announces opens nothing.
    """

    def __init__(self, document: SourceDocument, use: Any = None) -> None:
        super().__init__(document, use)
        self._entities: dict[str, tuple[_Entity, ...]] = {}  # by announcing topic
        self._by_topic: dict[str, list[_Entity]] = {}
        self._by_availability: dict[str, list[_Entity]] = {}

    def match(self, topic: str) -> Match | None:
        """An announcement, or an announced topic."""
        if topic in self._by_topic or topic in self._by_availability:
            return Match(self.name, topic, -1, {})
        return super().match(topic)

    def learn(self, match: Match, envelope: Envelope) -> bool:
        """Take in an announcement that was opened; an empty one takes its entities away."""
        if match.pattern < 0 or envelope.kind not in ("announce", "ignored"):
            return False
        if envelope.kind == "ignored":
            known = self._entities.pop(match.topic, None)
            if known is not None:
                self._index()
            return known is not None
        try:
            entities = tuple(self._read(match, envelope.payload))
        except Refusal:
            return False
        if self._entities.get(match.topic) == entities:
            return False
        if match.topic not in self._entities and len(self._entities) >= MOST_ENTITIES:
            return False
        self._entities[match.topic] = entities
        self._index()
        return True

    def _open(self, match: Match, payload: bytes) -> list[Envelope]:
        if match.pattern < 0:
            return list(self._state(match.topic, payload)) if payload else []
        topic = self.document.topics[match.pattern]
        if self.document.events[topic.event or ""].kind == "ignored" or not payload:
            return []
        entities = list(self._read(match, payload))
        if not entities:
            return []
        device = entities[0].device
        # the announcement itself is the payload: `learn` reads it again, once it is known to be of interest
        return [msgspec.structs.replace(device, kind="announce", payload=payload)]

    def _read(self, match: Match, payload: bytes) -> Iterator[_Entity]:
        """The entities that an announcement names."""
        data = _long(read_json(payload), _ABBREVIATED)
        if not isinstance(data, dict):
            raise Refusal("an announcement is a JSON object")
        component, object_id = match.captures.get("component", ""), match.captures.get("object", "")
        device = self._device(data, match)
        if component != "device":
            yield from self._entity(data, {}, component, object_id, device)
            return
        components = data.get("components")
        if not isinstance(components, dict):
            raise Refusal("an announcement of a device has `components`")
        for name, each in list(components.items())[:200]:
            part = _long(each, _ABBREVIATED)
            if isinstance(part, dict):
                yield from self._entity(part, data, str(part.get("platform", "")), str(name), device)

    def _entity(
        self, data: dict[str, Any], around: dict[str, Any], component: str, object_id: str, device: Envelope
    ) -> Iterator[_Entity]:
        if component not in COMPONENTS:
            return  # lights and buttons measure nothing
        base = data.get("~", around.get("~", ""))
        topic = self._topic(data.get("state_topic", around.get("state_topic")), base)
        if topic is None:
            raise Refusal("there is no state_topic")
        if not any(covers(each, topic) for each in self.states):
            raise Refusal(f"the state topic '{topic[:80]}' lies under none of the `states` of this source")
        words = None
        if component == "binary_sensor":
            words = {
                _rendered(data.get("payload_on", "ON")): True,
                _rendered(data.get("payload_off", "OFF")): False,
            }
        device_class = data.get("device_class")
        named = data.get("object_id")
        yield _Entity(
            device=device,
            component=component,
            object_id=named if isinstance(named, str) and named else object_id,
            device_class=device_class if isinstance(device_class, str) and device_class else None,
            topic=topic,
            template=template(_text_or_none(data.get("value_template"))),
            words=words,
            availability=tuple(self._availability({**around, **data}, base)),
        )

    def _availability(self, data: dict[str, Any], base: Any) -> Iterator[tuple[str, _Template, dict[str, Status]]]:
        listed = data.get("availability")
        if isinstance(listed, dict):
            listed = [listed]
        if not isinstance(listed, list):
            listed = [{**data, "topic": data["availability_topic"]}] if data.get("availability_topic") else []
        for each in listed[:10]:
            one = _long(each, _ABBREVIATED)
            if not isinstance(one, dict):
                continue
            topic = self._topic(one.get("topic"), base)
            # a bridge's own state is no word about the device
            if topic is None or "/bridge/" in topic or not any(covers(filter_, topic) for filter_ in self.states):
                continue
            try:
                read = template(_text_or_none(one.get("value_template", one.get("availability_template"))))
            except Refusal:
                continue
            words: dict[str, Status] = {
                _rendered(one.get("payload_available", "online")): "online",
                _rendered(one.get("payload_not_available", "offline")): "offline",
            }
            yield topic, read, words

    def _topic(self, value: Any, base: Any) -> str | None:
        if not isinstance(value, str) or not value or len(value) > LONGEST_TOPIC:
            return None
        if isinstance(base, str):
            if value.startswith("~"):
                value = base + value[1:]
            elif value.endswith("~"):
                value = value[:-1] + base
        return None if any(sign in value for sign in "+#\0") else value

    def _device(self, data: dict[str, Any], match: Match) -> Envelope:
        about = _long(data.get("device"), _ABBREVIATED_DEVICE)
        names: list[str] = []
        if isinstance(about, dict):
            listed = about.get("identifiers")
            connections = about.get("connections")
            pairs = connections if isinstance(connections, list) else []
            listed = listed if isinstance(listed, list) else [listed]
            said = [*listed, *(pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2)]
            names += [each for each in said if isinstance(each, str) and each]
        else:
            about = {}
        unique = data.get("unique_id")
        if isinstance(unique, str) and unique:
            names.append(unique)
        names.append(match.captures.get("node") or match.captures.get("object", ""))
        names = [name.strip() for name in names if len(name) <= LONGEST_ADDRESS and name.isprintable()]
        return Envelope(
            address=checked(names[0] if names else ""),
            kind="announce",
            name=_text_or_none(about.get("name")),
            vendor=_text_or_none(about.get("manufacturer")),
            model=_text_or_none(about.get("model")),
            aliases=tuple(dict.fromkeys(names[1:])) if isinstance(data.get("device"), dict) else (),
        )

    def _state(self, topic: str, payload: bytes) -> Iterator[Envelope]:
        """What a message on an announced topic says, a device at a time."""
        text = payload.decode("utf-8", errors="replace")
        entities = self._by_topic.get(topic, [])
        available = [
            (entity.device, read, words)
            for entity in self._by_availability.get(topic, ())
            for where, read, words in entity.availability
            if where == topic
        ]
        json = any(entity.template.json for entity in entities) or any(read.json for _, read, _ in available)
        data = _json_or_none(payload) if json else None
        if data is None and entities and all(entity.template.json for entity in entities):
            raise Refusal("its entities are announced with templates for JSON, and this is none")
        said: dict[str, dict[str, Any]] = {}
        devices: dict[str, Envelope] = {}
        for entity in entities:
            devices[entity.device.address] = entity.device
            entity.put(said.setdefault(entity.device.address, {}), text, data)
        for address, values in said.items():
            battery = values.get("sensor.battery")
            yield msgspec.structs.replace(
                devices[address],
                kind="up" if values else "status",
                payload=msgspec.json.encode(values) if values else b"",
                status=None if values else "online",
                partial=True,
                battery_percent=float(battery) if battery.__class__ in (int, float) and 0 <= battery <= 100 else None,
            )
        for device, read, words in available:
            status = words.get(_rendered(read.find(text, data)).strip())
            if status is not None and device.address not in said:
                said[device.address] = {}
                yield msgspec.structs.replace(device, kind="status", status=status)

    def _index(self) -> None:
        self._by_topic, self._by_availability = {}, {}
        for entities in self._entities.values():
            for entity in entities:
                self._by_topic.setdefault(entity.topic, []).append(entity)
                for where, _, _ in entity.availability:
                    self._by_availability.setdefault(where, []).append(entity)


def _long(data: Any, names: dict[str, str]) -> Any:
    """An object with its abbreviated keys written out."""
    return {names.get(key, key): value for key, value in data.items()} if isinstance(data, dict) else data


def _json_or_none(payload: bytes) -> Any:
    try:
        return read_json(payload)
    except Refusal:
        return None


def _text_or_none(value: Any) -> str | None:
    return value[:1000] if isinstance(value, str) and value else None
