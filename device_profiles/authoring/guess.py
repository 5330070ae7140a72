"""First guesses from a sample message: what its keys probably mean. The author looks them over."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from device_profiles.authoring.skeleton import WORDS, Field, Kind, word
from device_profiles.quantity import QUANTITIES

MOST_FIELDS = 60
_KEY_NAMES = ("code", "key", "name", "id", "dpid", "dpId", "identifier", "flag", "type", "sensor", "label")
_FLAT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_DAYS_2000_S, _DAYS_2100_S = 946_684_800, 4_102_444_800


@dataclass(frozen=True, slots=True)
class Guess:
    """What a sample seems to be."""

    kind: Kind
    frame: str
    fields: tuple[Field, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What a key usually means: the point's name, and what belongs into its entry."""

    pattern: re.Pattern[str]
    name: str
    written: tuple[tuple[str, str], ...]
    sort: Literal["number", "flag", "any"] = "number"


def _number(pattern: str, name: str, unit: str, valid: str = "", **more: str) -> _Meaning:
    written = [("unit", unit)] + ([("valid", valid)] if valid else []) + list(more.items())
    return _Meaning(re.compile(pattern), name, tuple(written))


def _flag(pattern: str, name: str, event: str, zh: str = "", en: str = "", quantity: str = "") -> _Meaning:
    written = [("unit", '"1"')] + ([("quantity", quantity)] if quantity else []) + ([("event", event)] if event else [])
    if zh:
        written.append(("label", f"{{zh: {zh}, en: {en}}}"))
    return _Meaning(re.compile(pattern), name, tuple(written), "flag")


# Keys are matched in lower case with `_` for every separator and change of case; the first that fits counts.
_MEANINGS: tuple[_Meaning, ...] = (
    _flag(r"(battery_?low|low_?(bat|batt|battery)|batt?_?(alarm|low))", "low_battery", "low_battery",
          "电量不足", "Low battery", "flag"),
    _flag(r".*(tamper|disassembl|anti_?theft).*", "tamper", "tamper", "拆动", "Tamper", "flag"),
    _flag(r"(self_?)?test(ing|_button|_mode)?", "test", "test", "自检", "Test button", "flag"),
    _flag(r".*(silence|muffl|mute).*", "silenced", "silenced", "消音", "Silenced", "flag"),
    _flag(r".*(fault|malfunction|failure).*", "fault", "fault", "故障", "Fault", "flag"),
    _flag(r"(water_?)?leak(age)?(_status|_alarm)?|flood|water(_leak)?_?detected|immersion", "leak", "alarm"),
    _flag(r"(smoke|fire)(_?alarm|_?status|_?state|_?detected)?|alarm(_status|_state)?", "alarm", "alarm"),
    _number(r"smoke_(density|concentration|value)(_ppm)?", "smoke_concentration", '"%"', "[0, 100]"),
    _number(r"(battery|bat|batt)(_?(level|percent(age)?|soc|remaining|pct))?|soc|va", "battery", '"%"', "[0, 100]"),
    _number(r".*(voltage|volt|bat_?v|vbat|vdd|v_bat)(_v|_mv)?|battery_m?v", "voltage", "V", "[0, 48]"),
    _number(r"(.*_)?temp(erature)?(_?c(elsius)?)?(_sht)?(_value)?|tmp", "temperature", "Cel", "[-40, 85]"),
    _number(r"(.*_)?(hum|humidity|rh)(_sht|_value|_percent)?", "humidity", '"%"', "[0, 100]"),
    _number(r"link_?quality|lqi", "link_quality", '"1"', "[0, 255]"),
    _number(r"(.*_)?(rssi|signal(_strength)?)(_dbm)?", "signal", "dBm", "[-150, 0]"),
    _number(r"(water_?|liquid_?)?(level|depth)(_m|_mm|_cm)?", "level", "m", "[-0.5, 10]"),
    _number(r"(.*_)?distance(_m|_mm|_cm)?", "distance", "m", "[0, 10]"),
    _number(r"(.*_)?(co|carbon_monoxide)(_ppm|_concentration)?", "co", '"[ppm]"', "[0, 1000]"),
    _number(r"(.*_)?(pressure|barometer)(_kpa|_hpa|_pa)?", "pressure", "kPa", "[0, 1000]"),
    _number(r"(.*_)?(illuminance|illumination|lux|light)(_lux)?", "illuminance", "lx", "[0, 200000]"),
    _number(r"(.*_)?(tilt|inclination)(_deg|_angle)?", "tilt", "deg", "[-90, 90]"),
    _number(r"(.*_)?(angle|pitch|roll|yaw)(_?[xyz])?(_deg)?|angle_?[xyz](_axis)?", "", "deg", "[-180, 180]"),
    _number(r"(.*_)?(rain|rainfall|precipitation)(_mm)?", "rain", "mm", "[0, 1000]"),
    _number(r"(.*_)?wind_speed(_ms)?", "wind_speed", "m/s", "[0, 75]"),
    _number(r"(.*_)?current(_ma)?", "current", "mA", "[0, 5000]"),
)  # fmt: skip
_TIME_KEYS = re.compile(r"(.*_)?(ts|t|time|timestamp|datetime|date_time|time_stamp|utc)")
_SEQUENCE_KEYS = re.compile(r"seq|sequence|f_?cnt|counter|msg_?id|message_id|packet_no")
_ON = frozenset({"on", "alarm", "true", "yes", "open", "leak", "wet", "1", "detected", "active", "triggered"})
_OFF = frozenset({"off", "normal", "false", "no", "closed", "dry", "0", "clear", "ok", "inactive", "none", "idle"})


def from_json(sample: Any, kind: Kind | None = None) -> Guess:
    """Guesses points from a decoded JSON message.

    Raises:
        ValueError: there is nothing in it that could be a point; the message says why.
    """
    kind = kind or _kind_of(sample)
    if kind == "senml":
        return _senml(sample)
    if kind == "keys":
        return _keys(sample)
    if not isinstance(sample, Mapping):
        raise ValueError("a JSON message for this frame is an object {…}")  # noqa: TRY004 - a sample, not an argument
    names: set[str] = set()
    fields: list[Field] = []
    ends: dict[str, str] = {}
    unread: list[str] = []
    for path, value in _leaves(sample, ()):
        key = _snake(str(path[-1]))
        if (end := _end(key, value, ends)) is not None:
            ends[end] = _time(path, value) if end == "ts" else _path(path)
            continue
        if value is None or len(fields) >= MOST_FIELDS or isinstance(value, list):
            unread.append(".".join(str(step) for step in path))
            continue
        fields.append(_field(path, value, names, ("at", _path(path))))
    if not fields:
        raise ValueError("the sample holds no value that could be a point")
    frame = "{" + ", ".join([f"kind: {kind}", *(f"{key}: {value}" for key, value in ends.items())]) + "}"
    return Guess(kind, frame, tuple(fields), _remarks(unread))


def _remarks(unread: Sequence[str]) -> tuple[str, ...]:
    return (f"in the sample too, not taken: {', '.join(unread)}",) if unread else ()


def _kind_of(sample: Any) -> Kind:
    if isinstance(sample, list) and sample and all(isinstance(one, Mapping) for one in sample):
        keys = {key for one in sample for key in one}
        if keys & {"n", "bn"} and keys & {"v", "vs", "vb", "vd", "s", "bv"}:
            return "senml"
        return "keys"
    if isinstance(sample, Mapping) and (isinstance(sample.get("dps"), Mapping) or _listed(sample) is not None):
        return "keys"
    return "json"


def _listed(sample: Mapping[str, Any]) -> str | None:
    """The key of a list of keys and values, as {"status": [{"code": …, "value": …}]}."""
    for name, inner in sample.items():
        if isinstance(inner, list) and inner and all(isinstance(one, Mapping) and _pair(one) for one in inner):
            return name
    return None


def _pair(one: Mapping[str, Any]) -> tuple[str, str] | None:
    """How an element of such a list calls key and value."""
    key = next((name for name in _KEY_NAMES if isinstance(one.get(name), str | int)), None)
    value = next((name for name in ("value", "val", "v") if name in one), None)
    return None if key is None or value is None else (key, value)


def _leaves(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _end(key: str, value: Any, ends: Mapping[str, str]) -> str | None:
    """`ts` or `seq`, where a key is the message's time or counter."""
    if "ts" not in ends and _TIME_KEYS.fullmatch(key) and _is_time(value):
        return "ts"
    if "seq" not in ends and _SEQUENCE_KEYS.fullmatch(key) and isinstance(value, int) and not isinstance(value, bool):
        return "seq"
    return None


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        return re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value) is not None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return _DAYS_2000_S < value < _DAYS_2100_S or _DAYS_2000_S * 1000 < value < _DAYS_2100_S * 1000


def _time(path: Sequence[str | int], value: Any) -> str:
    seconds = isinstance(value, int | float) and value < _DAYS_2100_S
    return f"{{at: {_path(path)}, unit: s}}" if seconds else _path(path)


def _path(path: Sequence[str | int]) -> str:
    if all(isinstance(step, int) or _FLAT.fullmatch(step) for step in path):
        return word(".".join(str(step) for step in path)) if len(path) == 1 else ".".join(str(step) for step in path)
    return "[" + ", ".join(_step(step) for step in path) + "]"


def _step(step: str | int) -> str:
    text = str(step)
    return f'"{text}"' if text.isdigit() else word(text)


def _snake(key: str) -> str:
    spread = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key)
    return re.sub(r"[^a-z0-9]+", "_", spread.lower()).strip("_")


def _free(name: str, path: Sequence[str | int], names: set[str]) -> str:
    """A point's name that is not taken: with the key's parent before it, or a number behind."""
    name = re.sub(r"^[^a-z]+", "", name)[:40] or "value"
    if name in ("ts", "seq", "boot") or name in WORDS:
        name = f"{name}_value"
    if name in names and len(path) > 1:
        name = _snake(f"{path[-2]}_{name}")[:40].lstrip("0123456789_") or name
    base, count = name, 2
    while name in names:
        name, count = f"{base[:37]}_{count}", count + 1
    names.add(name)
    return name


def _field(path: Sequence[str | int], value: Any, names: set[str], place: tuple[str, str]) -> Field:
    # the meaning often stands one key up, as in {"battery": {"percent": 92}} or {"temperature": {"value": 21.5}}
    key = _snake(str(path[-1]))
    keys = [key]
    if len(path) > 1 and isinstance(path[-2], str):
        parent = _snake(path[-2])
        keys = [parent, key] if key in ("value", "val", "v", "state", "status") else [key, f"{parent}_{key}"]
    flag = isinstance(value, bool) or (isinstance(value, str) and value.lower() in _ON | _OFF)
    for one in keys:
        for meaning in _MEANINGS:
            fits = meaning.sort == "any" or (meaning.sort == "flag") == (flag or value in (0, 1))
            if (
                fits
                and meaning.pattern.fullmatch(one)
                and not (isinstance(value, str) and not flag and not _text(value))
            ):
                return _known(meaning, key, path, value, names, place)
    if isinstance(value, str) and not flag and not _text(value):
        name = _free(keys[0], path, names)
        return Field(name, (("label", f"{{zh: {word(name)}, en: {word(name)}}}"),), natural=value, means=value,
                     place=(place,), remark="TODO label")  # fmt: skip
    name = _free(keys[0], path, names)
    if flag:
        written: tuple[tuple[str, str], ...] = (("unit", '"1"'), ("quantity", "flag"))
    else:
        written = (("unit", '"1"'),)
    label = (("label", f"{{zh: {word(name)}, en: {word(name)}}}"),)
    return Field(name, written + label, natural=value, means=0, place=(place,), text_only=_type(value),
                 remark="TODO unit, quantity, valid, label" if not flag else "TODO label, event")  # fmt: skip


def _known(
    meaning: _Meaning, key: str, path: Sequence[str | int], value: Any, names: set[str], place: tuple[str, str]
) -> Field:
    name = _free(meaning.name or key, path, names)
    written = meaning.written
    quantity = meaning.name or "other"
    if name != meaning.name and not any(one == "quantity" for one, _ in written):
        known = quantity if quantity in QUANTITIES else "other"
        written = (*written, ("quantity", known)) if known != "other" else written
        if not any(one == "label" for one, _ in written):
            written = (*written, ("label", f"{{zh: {word(name)}, en: {word(name)}}}"))
    scale, remark = _scale(quantity, key, value)
    return Field(
        name, written, natural=value, means=0, place=(place,), text_only=(*_type(value), *scale), remark=remark
    )


def _scale(quantity: str, key: str, value: Any) -> tuple[tuple[tuple[str, str], ...], str]:
    """A scale where the key or the size of the number tells another unit."""
    if isinstance(value, bool | str):
        return (), ""
    if quantity in ("level", "distance"):
        if key.endswith("_cm"):
            return (("scale", "0.01"),), ""
        if key.endswith("_mm") or abs(value) > 50:
            return (("scale", "0.001"),), "TODO is it in millimetres?"
        return (), "TODO is it in metres?"
    if quantity == "voltage" and (key.endswith("_mv") or value > 100):
        return (("scale", "0.001"),), "TODO is it in millivolts?"
    if quantity == "pressure" and (key.endswith("_hpa") or 300 < value < 1200):
        return (("scale", "0.1"),), "TODO is it in hPa?"
    if quantity == "temperature" and isinstance(value, int) and abs(value) > 120:
        return (("scale", "0.1"),), "TODO is it in tenths of a degree?"
    return (), ""


def _text(value: str) -> bool:
    """A number written as text."""
    try:
        float(value)
    except ValueError:
        return False
    return True


def _type(value: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(value, bool):
        return (("type", "bool"),)
    if isinstance(value, str) and _text(value):
        return (("type", "text_number"),)
    if isinstance(value, str) and value.lower() in _ON | _OFF:
        on = value.lower() in _ON
        other = "TODO"
        pair = f'{{"{value}": 1, {other}: 0}}' if on else f'{{"{value}": 0, {other}: 1}}'
        return (("map", pair),)
    return ()


def _keys(sample: Any) -> Guess:
    names: set[str] = set()
    listed = _listed(sample) if isinstance(sample, Mapping) else None
    if isinstance(sample, list) or listed is not None:
        elements = sample if listed is None else sample[listed]
        pair = _pair(elements[0]) if elements else None
        if pair is None:
            raise ValueError("a list of objects each with a key (code, key, name) and a value is expected")
        key, value = pair
        place = "" if listed is None else f", at: {word(listed)}"
        fields = [
            _field((str(one[key]),), one[value], names, ("key", _quoted(one[key])))
            for one in elements
            if key in one and value in one
        ]
        return Guess("keys", f"{{kind: keys{place}, key: {key}, value: {value}}}", tuple(fields))
    if not isinstance(sample, Mapping):
        raise ValueError("a JSON message for this frame is an object {…} or a list of objects")  # noqa: TRY004
    at = next((name for name in ("dps", "data", "params") if isinstance(sample.get(name), Mapping)), None)
    found = sample if at is None else sample[at]
    fields = [
        _field((str(name),), value, names, ("key", _quoted(name)))
        for name, value in found.items()
        if not isinstance(value, Mapping | list) and value is not None
    ]
    if not fields:
        raise ValueError("the sample holds no value that could be a point")
    return Guess("keys", "{kind: keys}" if at is None else f"{{kind: keys, at: {at}}}", tuple(fields))


def _quoted(key: Any) -> str:
    return f'"{key}"' if str(key).isdigit() else word(str(key))


def _senml(sample: Any) -> Guess:
    if not isinstance(sample, list):
        raise ValueError("a SenML message is a list of records")  # noqa: TRY004
    names: set[str] = set()
    fields: dict[str, Field] = {}
    for one in sample:
        value = next((one[key] for key in ("v", "vb", "vs", "s") if key in one), None)
        name = str(one.get("n", ""))
        if value is None or name in fields:
            continue
        found = _field((name or "value",), value, names, ("key", _quoted(name)))
        fields[name] = replace(found, text_only=tuple(pair for pair in found.text_only if pair[0] != "type"))
    return Guess("senml", "{kind: senml, encoding: json}", tuple(fields.values()))


def bytes_table(data: bytes) -> tuple[str, ...]:
    """The bytes of a sample as an author looks at them: offset, and what the usual types would make of each place."""
    rows = ["the bytes of the sample, and what they would be as", "  at  hex   u8    u16 big  u16 little  i16 big"]
    for at in range(min(len(data), 64)):
        two = data[at : at + 2]
        more = ""
        if len(two) == 2:
            big, little = int.from_bytes(two, "big"), int.from_bytes(two, "little")
            more = f"  {big:>9}  {little:>10}  {int.from_bytes(two, 'big', signed=True):>7}"
        rows.append(f"{at:>4}   {data[at]:02x}  {data[at]:>3}{more}".rstrip())
    return tuple(rows)
