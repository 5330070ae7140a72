"""`shouwang profiles new`: a profile to begin with, from a few answers or from a sample message."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from device_profiles.authoring import guess, skeleton
from device_profiles.authoring.skeleton import KINDS, Kind, Outline
from device_profiles.decoder import DecodeError
from device_profiles.error import ProfileError
from device_profiles.loading.load import parse_profile
from shouwang.profiles_message import told
from shouwang.profiles_named import usage
from wire.alert import Hazard

_SAMPLE_NAME = "sample"
_HAZARDS = {
    str(Hazard.SMOKE): "smoke, fire, carbon monoxide",
    str(Hazard.WATER_LEVEL): "water on roads, in underpasses and cellars, leaks",
    str(Hazard.CURTAIN_WALL): "façades: tilt, gap, vibration",
    "device": "everything else: no rules of a hazard",
}
_FRAMES = {
    "json": "one JSON object, nested or not",
    "cbor": "one CBOR map",
    "keys": "keys and values: Tuya data points, entity states",
    "struct": "bytes at fixed places, also with presence bits (Decentlab)",
    "tlv": "tag, value, tag, value (Milesight and many others)",
    "registers": "a block of Modbus registers",
    "senml": "SenML, RFC 8428",
    "codec": "a named Python codec",
}
assert tuple(_FRAMES) == KINDS == get_args(Kind)


def new(
    vendor: Annotated[str | None, typer.Option(help="As on the device, 'Acme Sensors', or as a folder, acme.")] = None,
    model: Annotated[str | None, typer.Option(help="As on the device, 'WL-20'.")] = None,
    name_zh: Annotated[
        str | None, typer.Option(help="The model in Chinese, as screens show it: 积水监测仪 WL-20.")
    ] = None,
    name_en: Annotated[str | None, typer.Option(help="The model in English: WL-20 road water sensor.")] = None,
    vendor_zh: Annotated[str | None, typer.Option(help="The vendor in Chinese; default: as --vendor.")] = None,
    hazard: Annotated[str | None, typer.Option(help=f"{', '.join(_HAZARDS)}.")] = None,
    frame: Annotated[str | None, typer.Option(help=f"{', '.join(_FRAMES)}; with --from-json json is taken.")] = None,
    from_json: Annotated[
        str | None, typer.Option(help="A sample message, a JSON file (- for standard input) or the JSON itself.")
    ] = None,
    from_hex: Annotated[str | None, typer.Option(help="A sample message as hexadecimal digits.")] = None,
    fport: Annotated[int | None, typer.Option(min=0, max=255, help="The LoRaWAN port of --from-hex.")] = None,
    folder: Annotated[Path, typer.Option(help="The file is FOLDER/vendor/model.yaml.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Writes a profile to begin with; asks for what no option says. It passes the loader and says what to fill in.

    From a sample message it guesses the points: look every one of them over. Exit code 2 when nothing was written.
    """
    sample = None if from_json is None else _sample(from_json)
    data = None if from_hex is None else _hex(from_hex)
    if sample is not None and data is not None:
        raise usage("give one sample, --from-json or --from-hex")
    if fport is not None and data is None:
        raise usage("--fport belongs to --from-hex")
    vendor = _asked("vendor", vendor, "Vendor")
    model = _asked("model", model, "Model, as printed on the device")
    name_en = _asked("name-en", name_en, "Name in English", f"{model} sensor")
    name_zh = _asked("name-zh", name_zh, "Name in Chinese, as screens show it", model)
    hazard = _chosen("hazard", hazard, _HAZARDS, "Which hazard does it watch?")
    if frame is None and sample is not None:
        kind = None
    elif frame is None and data is not None:
        kind = _kind("struct" if not _asks() else _chosen("frame", None, _FRAMES, "What do its messages look like?"))
    else:
        kind = _kind(_chosen("frame", frame, _FRAMES, "What do its messages look like?"))
    slugs = skeleton.name_of(vendor), skeleton.name_of(model)
    if not all(slugs):
        raise usage("--vendor and --model need letters or digits: they name folder and file")
    file = folder / slugs[0] / f"{slugs[1]}.yaml"
    if file.exists() and not force:
        raise usage(f"{file} is there already; --force writes over it")
    vendor_en = vendor if vendor != vendor.lower() or " " in vendor else vendor.title()
    outline = Outline(slugs[0], slugs[1], vendor_zh or vendor_en, vendor_en, name_zh, name_en, hazard, kind or "json")
    if sample is not None:
        outline = _from_json(outline, sample, kind)
    elif data is not None:
        outline = _from_hex(outline, data, fport)
    text = _checked(outline, sample)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise usage(f"{file} cannot be written: {error.strerror}") from None
    left = sum(1 for line in text.splitlines() if skeleton.TODO.search(line)) - 1
    print(f"{file} is written; {left} lines say TODO")
    print(f"next: edit it, then\n  shouwang profiles check {file}")


def _from_json(outline: Outline, sample: Any, kind: Kind | None) -> Outline:
    if kind in ("struct", "tlv", "registers", "cbor", "codec"):
        raise usage(f"--from-json gives no points of a {kind} frame; give --from-hex, or neither")
    try:
        guessed = guess.from_json(sample, kind)
    except ValueError as error:
        raise usage(f"--from-json: {error}") from None
    return replace(
        outline, kind=guessed.kind, frame=guessed.frame, fields=guessed.fields, remarks=guessed.remarks,
        example=_flow(sample), values={},
    )  # fmt: skip


def _from_hex(outline: Outline, data: bytes, fport: int | None) -> Outline:
    """The bytes as a table to look at; points only so far as the usual ones fit."""
    if outline.kind in ("json", "keys"):
        raise usage(f"--from-hex gives no {outline.kind} message; give --from-json")
    remarks = guess.bytes_table(data)
    ports = "" if fport is None else f", ports: [{fport}]"
    example = f'hex: "{data.hex(" ").upper()}"' + ("" if fport is None else f"\n    fport: {fport}")
    if outline.kind == "struct":
        outline = replace(outline, frame=f"{{kind: struct, length: {len(data)}{ports}}}")
    elif outline.kind == "tlv":
        # how long tags are, and which: only the data sheet says. One byte is taken until the author knows better
        first = data[:1].hex()
        written = (("unit", '"1"'), ("label", "{zh: 数值, en: Value}"))
        remark = "TODO the first tag, if tags have one byte"
        fields = (skeleton.Field("value", written, place=(("tag", f'"{first}"'),), remark=remark),)
        outline = replace(outline, frame=f"{{kind: tlv, tag_bytes: 1{ports}}}", fields=fields)
    elif outline.kind == "registers":
        outline = replace(outline, frame=f"{{kind: registers, first: 0{ports}}}")
    return replace(outline, remarks=remarks, example=example, values={})


def _checked(outline: Outline, sample: Any) -> str:
    """The text, with what its example decodes to by the profile itself.

    A skeleton that the loader refuses would be our mistake, not the author's; but a sample of bytes may be too short
    for the usual points, which are then cut.
    """
    while True:
        text = skeleton.text(outline)
        try:
            profile = parse_profile(text, "the skeleton")
        except ProfileError as error:
            if shorter := _shorter(outline, sample):
                outline = shorter
                continue
            raise usage(f"no skeleton comes of this: {error}") from None
        if outline.values is None or outline.example is None:
            return text
        example = profile.examples[0]
        try:
            message = profile.decoder(example.parameters).decode(example.payload, example.fport)
        except DecodeError as error:
            if shorter := _shorter(outline, sample):
                outline = shorter
                continue
            raise usage(f"the sample is no {outline.kind} message: {error}") from None
        found = told(message, profile.decoder(example.parameters))
        outline = replace(
            outline,
            values={reading["point"]: reading["value"] for reading in found["readings"]},
            states=found.get("states", {}),
            events=found.get("events", []),
            problems=tuple(str(code) for _, code, _ in message.problems),
        )
        return skeleton.text(outline)


def _shorter(outline: Outline, sample: Any) -> Outline | None:
    """The outline with a point less, where there is one to spare."""
    fields = skeleton.usual(outline)
    if sample is not None or outline.example is None or len(fields) < 2:
        return None
    return replace(outline, fields=fields[:-1])


def _flow(sample: Any) -> str:
    """JSON as it may stand in YAML, on one line where it fits."""
    short = json.dumps(sample, ensure_ascii=False)
    if len(short) <= 100:
        return f"json: {short}"
    lines = json.dumps(sample, ensure_ascii=False, indent=2).splitlines()
    return "json:\n" + "\n".join(f"      {line}" for line in lines)


def _sample(given: str) -> Any:
    if given.lstrip()[:1] in ("{", "["):
        text = given
    else:
        try:
            text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise usage(f"--from-json: {given} cannot be read: {error}") from None
    try:
        return json.loads(text)
    except ValueError as error:
        raise usage(f"--from-json is no JSON: {error}") from None


def _hex(given: str) -> bytes:
    try:
        found = bytes.fromhex(re.sub(r"0[xX]|[\s:,_-]", "", given))
    except ValueError:
        raise usage("--from-hex takes pairs of hexadecimal digits, as 01755C03821E00") from None
    if not found:
        raise usage("--from-hex is empty")
    return found


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _asked(option: str, given: str | None, question: str, default: str | None = None) -> str:
    if given is not None:
        if not given.strip():
            raise usage(f"--{option} is empty")
        return given.strip()
    if _asks():
        return str(typer.prompt(question, default=default)).strip()
    if default is not None:
        return default
    raise usage(f"--{option} is needed where nobody can be asked")


def _kind(name: str) -> Kind:
    return next(kind for kind in KINDS if kind == name)


def _chosen(option: str, given: str | None, choices: dict[str, str], question: str) -> str:
    if given is not None:
        if given not in choices:
            raise usage(f"--{option} is one of {', '.join(choices)}; not '{given}'")
        return given
    if not _asks():
        raise usage(f"--{option} is needed where nobody can be asked: one of {', '.join(choices)}")
    print(question)
    for number, (name, what) in enumerate(choices.items(), 1):
        print(f"  {number}  {name:<13} {what}")
    while True:
        answer = str(typer.prompt("Number or name")).strip().lower()
        if answer in choices:
            return answer
        if answer.isdigit() and 0 < int(answer) <= len(choices):
            return list(choices)[int(answer) - 1]
        print(f"one of 1 … {len(choices)}")
