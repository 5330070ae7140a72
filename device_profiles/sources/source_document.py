"""The format of a source file: topic patterns and envelopes of one MQTT convention, as written in YAML.

A *place* is `{name}` (what stood there in the topic), or a path into the JSON envelope (`rxInfo.0.rssi`); a list of
places is tried in order, the first one that holds something counts.
"""

from typing import Annotated, Literal

from pydantic import Field

from device_profiles.document import Names, Written

Place = Annotated[str, Field(min_length=1, max_length=200)]
Places = Place | Annotated[list[Place], Field(min_length=1, max_length=8)]
Kind = Literal["up", "status", "join", "announce", "ignored"]


class TopicDocument(Written):
    """One topic pattern, and which event a message on it is."""

    pattern: Place
    root: bool = Field(False, description="The pattern does not stand below the source's prefix.")
    event: str | None = Field(None, description="Name of the event in `events`.")
    choose: Places | None = Field(None, description="Place of the word that names the event.")
    otherwise: str | None = Field(None, description="The event where `choose` finds none; default: an error.")


class PayloadDocument(Written):
    """Where the device's own payload is inside the envelope."""

    at: Places | None = Field(None, description="Default: the whole message.")
    encoding: Literal["as_is", "base64", "hex", "json"] = "as_is"
    key: Place | None = Field(None, description="Template of a key: the payload becomes {key: value}; `a/{b}` nests.")
    optional: bool = Field(False, description="Without it the message is a sign of life.")


class TimeDocument(Written):
    """The time that the envelope gives."""

    at: Places
    unit: Literal["rfc3339", "s", "ms", "any"] = "rfc3339"


class LinkDocument(Written):
    """How well the device was heard."""

    best_of: Place | None = Field(None, description="A list of receptions; the strongest counts, paths start in it.")
    rssi_dbm: Places | None = None
    snr_db: Places | None = None
    lqi: Places | None = None
    margin_db: Places | None = None


class BatteryDocument(Written):
    """The battery in percent, as the network says it."""

    at: Places
    unless: list[Place] = Field([], description="Places that must be absent or false.")


class StatusDocument(Written):
    """Online or offline."""

    at: Places | None = Field(None, description="Default: the whole message as text.")
    map: Annotated[dict[str, Literal["online", "offline"]], Field(min_length=1)]


class RefuseDocument(Written):
    """An envelope that is not taken when a place holds true."""

    at: Place
    why: Annotated[str, Field(min_length=1)]


class EventDocument(Written):
    """What a message of one sort says, and where."""

    kind: Kind
    format: Literal["json", "text", "bytes"] = Field("json", description="Of the envelope: what places look into.")
    each: Place | None = Field(None, description="announce: path of a list with one device each; `.` is the message.")
    only: dict[Place, list[str]] = Field({}, description="Others than these words at a place are ignored.")
    address: Places | None = None
    aliases: list[Place] = Field([], description="Places of other names of the device.")
    payload: PayloadDocument | None = None
    partial: bool = Field(False, description="A message without any known value is nothing wrong.")
    fport: Places | None = None
    ts: TimeDocument | None = None
    seq: Places | None = None
    link: LinkDocument | None = None
    battery: BatteryDocument | None = None
    status: StatusDocument | Literal["online", "offline"] | None = None
    name: Places | None = None
    vendor: Places | None = None
    model: Places | None = None
    refuse: list[RefuseDocument] = Field([], description="Envelopes that are not taken.")


class SourceDocument(Written):
    """A whole source file."""

    source: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    label: Names
    documentation: str | None = None
    prefix: Annotated[str, Field(pattern=r"^[^+#{}\x00]*$", max_length=200)] = ""
    form: Literal["text", "eui", "ieee"] = Field("text", description="How addresses are normalised.")
    address: Places | None = Field(None, description="Where the address is, unless an event says otherwise.")
    teaches: Literal["home_assistant"] | None = Field(
        None, description="Announcements say which further topics carry what (under the `states` of the settings)."
    )
    topics: Annotated[list[TopicDocument], Field(min_length=1, max_length=40)]
    events: Annotated[dict[str, EventDocument], Field(min_length=1)]
    subscribe: list[Place] = Field(
        [], description="Patterns to subscribe to instead of the topics, where fewer cover them."
    )
    # in these lists a template that begins with / does not stand below the prefix
    own: list[Place] = Field([], description="What a device with an account of its own publishes; {address} in each.")
    own_hears: list[Place] = Field([], description="What it subscribes to.")
    bridge_publishes: list[Place] = Field([], description="What a bridge publishes beside the topics above.")
    bridge_hears: list[Place] = Field([], description="What a bridge subscribes to.")
