"""The device table that the agent runs: a configuration document, validated as a whole and compiled. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from device_profiles.decoder import Decoder
from device_profiles.error import ProfileError
from device_profiles.library import Library
from device_profiles.profile import Profile
from rules import layers
from rules.action_declaration import Actuator, compile_all
from rules.declaration import DeclarationError, Rule
from rules.quality_declaration import Limits
from wire.action import ActionConfig
from wire.alert import Hazard
from wire.configuration import DeviceConfig, DrillConfig, EdgeDocument, RuleLayer
from wire.time import REAL, Timeline
from wire.topics import is_identifier


class TableError(ValueError):
    """A document that can't be run as a whole; `problems` names every entry that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        super().__init__("; ".join(problems[:5]) + more)


@dataclass(frozen=True, slots=True)
class Device:
    """One device, ready to be judged."""

    config: DeviceConfig
    decoder: Decoder  # shared by devices of one profile and the same parameters
    hazard: Hazard
    cadence_s: float
    rules: Mapping[str, Rule]
    quality: Mapping[str, Limits] = field(default_factory=dict)  # by point
    layers: tuple[RuleLayer, ...] = ()  # of its places, the widest first

    @property
    def id(self) -> str:
        """As registered."""
        return self.config.id


@dataclass(frozen=True, slots=True)
class Table:
    """Everything of one revision."""

    document: EdgeDocument
    devices: Mapping[str, Device]
    timelines: Mapping[str, Timeline]  # named ones and REAL
    drills: Mapping[str, DrillConfig]
    actions: Mapping[str, Actuator] = field(default_factory=dict)

    @property
    def revision(self) -> int:
        """Of the document."""
        return self.document.revision

    def clock(self, name: str, exercise: str | None) -> Timeline:
        """The timeline on which something is judged: a drill's own, else the device's."""
        if exercise is not None:
            drill = self.drills.get(exercise)
            return _REAL if drill is None else drill.timeline
        return self.timelines.get(name, _REAL)


_REAL = Timeline(REAL)


class Compiler:
    """Makes tables; remembers what it compiled, so that a change of one device costs one device.

    Args:
        library: of profiles.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._decoders: dict[tuple[str, tuple[tuple[str, float], ...]], Decoder] = {}
        self._rules: dict[tuple[str, ...], tuple[Mapping[str, Rule], Mapping[str, Limits]]] = {}
        self._devices: dict[str, Device] = {}
        self._texts: dict[tuple[str, str], str] = {}  # of the layers, by scope and place
        self._own: dict[tuple[int, int], str] = {}  # of what devices say, by the objects (`edge.share`)

    def compile(self, document: EdgeDocument) -> Table:
        """A table of a document.

        Raises:
            TableError: naming everything that is wrong; nothing of the document is used then.
        """
        problems: list[str] = []
        timelines = {timeline.name: timeline for timeline in document.timelines}
        if REAL in timelines and timelines[REAL].segments:
            problems.append("timeline 'real': real time can't be moved")
        timelines[REAL] = _REAL
        drills = {}
        for drill in document.drills:
            if not is_identifier(drill.id):
                problems.append(f"drill '{drill.id}': not an identifier")
            drills[drill.id] = drill
        places: dict[tuple[str, str], RuleLayer] = {}
        for layer in document.layers:
            if (layer.scope, layer.id) in places:
                problems.append(f"layer {layer.scope} '{layer.id}': stands twice")
            places[layer.scope, layer.id] = layer
        self._own.clear()
        self._texts = {place: _text([place, layer.rules, layer.quality]) for place, layer in places.items()}
        devices: dict[str, Device] = {}
        configs: list[DeviceConfig] = []
        for config in document.devices:
            if config.id in devices:
                problems.append(f"device '{config.id}': stands twice")
                continue
            known = self._devices.get(config.id)
            over = _layers_of(config, places) if places else ()
            if known is None or known.config != config or known.layers != over:
                try:
                    known = self._device(config, over)
                except (ProfileError, DeclarationError, ValueError) as error:
                    problems.append(f"device '{config.id}': {error}")
                    continue
            else:
                config = known.config  # noqa: PLW2901  the one that is kept, not its equal
            if config.timeline not in timelines:
                problems.append(f"device '{config.id}': there is no timeline '{config.timeline}'")
            devices[config.id] = known
            configs.append(config)
        actions = compile_all(document.actions, None, problems)
        if problems:
            raise TableError(problems)
        self._devices = devices
        document = msgspec.structs.replace(document, devices=configs)
        return Table(document, devices, timelines, drills, actions)

    def _device(self, config: DeviceConfig, over: tuple[RuleLayer, ...]) -> Device:
        for key in ("id", "site"):
            if not is_identifier(getattr(config, key)):
                raise ValueError(f"{key} '{getattr(config, key)}' is not an identifier")
        if config.credential is not None and not config.credential.startswith("$2"):
            raise ValueError("credential is not a bcrypt hash")
        profile = self._library[config.profile]
        hazard = config.hazard or profile.hazard
        decoder = self._decoder(profile, config.parameters)
        rules, quality = self._resolve(profile, hazard, over, config)
        return Device(config, decoder, hazard, profile.cadence_s, rules, quality, over)

    def _decoder(self, profile: Profile, parameters: Mapping[str, float]) -> Decoder:
        used = {parameter.name for parameter in profile.parameters}
        key = (profile.name, tuple(sorted((name, value) for name, value in parameters.items() if name in used)))
        if key not in self._decoders:
            self._decoders[key] = profile.decoder(parameters)
        return self._decoders[key]

    def _resolve(
        self, profile: Profile, hazard: Hazard, over: tuple[RuleLayer, ...], config: DeviceConfig
    ) -> tuple[Mapping[str, Rule], Mapping[str, Limits]]:
        own = self._own_text(config)
        key = (profile.name, hazard.value, own, *(self._texts[layer.scope, layer.id] for layer in over))
        if key not in self._rules:
            points = [point.name for point in profile.points]
            model = layers.Model(hazard, points, profile.cadence_s, profile.rules, profile.quality)
            shared = [layers.Layer(f"{layer.scope} '{layer.id}'", layer.rules, layer.quality) for layer in over]
            self._rules[key] = layers.resolve(model, shared, layers.Layer("", config.rules, config.quality))
        return self._rules[key]

    def _own_text(self, config: DeviceConfig) -> str:
        key = (id(config.rules), id(config.quality))
        text = self._own.get(key)
        if text is None:
            text = self._own[key] = _text([config.rules, config.quality])
        return text


def _text(said: object) -> str:
    """The same for what says the same."""
    return json.dumps(said, sort_keys=True, default=str)


def _layers_of(config: DeviceConfig, places: Mapping[tuple[str, str], RuleLayer]) -> tuple[RuleLayer, ...]:
    """The layers that lie over a device, the widest first."""
    named = (("site", config.site), ("building", config.building), ("zone", config.zone))
    return tuple(
        layer for scope, name in named if name is not None and (layer := places.get((scope, name))) is not None
    )


def changed(document: EdgeDocument, *, revision: int, kind: str, key: str, value: bytes | None) -> EdgeDocument:
    """A document after one step of the watch (`wire.configuration.EdgeChange`); decisions are not part of it.

    Raises:
        msgspec.ValidationError: for a value that is not what `kind` says.
    """
    if kind == "device":
        devices = [device for device in document.devices if device.id != key]
        if value is not None:
            devices.append(msgspec.json.decode(value, type=DeviceConfig))
        return msgspec.structs.replace(document, revision=revision, devices=devices)
    if kind == "timeline":
        timelines = [timeline for timeline in document.timelines if timeline.name != key]
        if value is not None:
            timelines.append(msgspec.json.decode(value, type=Timeline))
        return msgspec.structs.replace(document, revision=revision, timelines=timelines)
    if kind == "layer":
        over = [layer for layer in document.layers if f"{layer.scope}:{layer.id}" != key]
        if value is not None:
            over.append(msgspec.json.decode(value, type=RuleLayer))
        return msgspec.structs.replace(document, revision=revision, layers=over)
    if kind == "action":
        actions = [action for action in document.actions if action.id != key]
        if value is not None:
            actions.append(msgspec.json.decode(value, type=ActionConfig))
        return msgspec.structs.replace(document, revision=revision, actions=actions)
    if kind == "drill":
        drills = [drill for drill in document.drills if drill.id != key]
        if value is not None:
            drills.append(msgspec.json.decode(value, type=DrillConfig))
        return msgspec.structs.replace(document, revision=revision, drills=drills)
    return msgspec.structs.replace(document, revision=revision)
