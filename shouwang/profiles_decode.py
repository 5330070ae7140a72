"""`shouwang profiles decode`: what payloads mean."""

import base64
import binascii
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from device_profiles.decoder import Decoder
from device_profiles.sources.source import SourceError
from shouwang.profiles_message import error_line, found_in, lines, refused, shown_payload
from shouwang.profiles_named import (
    WRONG,
    FolderOption,
    JsonOption,
    NameArgument,
    ParameterOption,
    parameters_of,
    print_json,
    profile_of,
    usage,
)
from shouwang.profiles_source import Opener, PrefixOption, SourceOption, brief
from shouwang.profiles_source import told as told_envelope

_SEPARATORS = re.compile(r"0[xX]|[\s:,_-]")
_PORT_BEFORE = re.compile(r"\s*(\d{1,3})\s*:\s+(.*)")
_Form = Literal["hex", "base64", "text"]


@dataclass(frozen=True, slots=True)
class Payload:
    """One payload to decode, and where it came from."""

    data: bytes
    fport: int | None
    line: int | None = None
    envelope: dict[str, Any] | None = None
    partial: bool = False
    problem: str | None = None  # the envelope cannot be opened


def decode(
    name: NameArgument,
    hex_: Annotated[
        list[str] | None, typer.Option("--hex", help="The payload as hexadecimal digits; again for more.")
    ] = None,
    base64_: Annotated[
        list[str] | None, typer.Option("--base64", help="The payload as base64; again for more.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option("--text", help="The payload as text (JSON); again for more.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="The payload in a file; - for standard input.")] = None,
    each_line: Annotated[
        _Form | None,
        typer.Option(
            "--lines",
            help="With --file: each line is a payload, in this form. Empty lines and '# …' are skipped; "
            "'85: 01 75 5C' gives a line its own fPort.",
        ),
    ] = None,
    fport: Annotated[int | None, typer.Option("--fport", min=0, max=255, help="The LoRaWAN port.")] = None,
    source: SourceOption = None,
    topic: Annotated[
        str | None, typer.Option("--topic", help="With --source: where it came; else it is read as one with values.")
    ] = None,
    prefix: PrefixOption = None,
    parameter: ParameterOption = None,
    folder: FolderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Says what a payload means, or several. Exit code 1 when there is an error in one.

    With --json one object for one payload; for several, one object a line.
    """
    profile = profile_of(name, folder)
    payloads = _payloads(hex_ or [], base64_ or [], text or [], file, each_line, fport)
    if source is None and (topic or prefix):
        raise usage("--topic and --prefix belong to --source")
    if source is not None:
        opener = Opener.of(source, prefix)
        payloads = [opened for payload in payloads for opened in _opened(opener, topic, payload, fport)]
    decoder = profile.decoder(parameters_of(profile, parameter))
    wrong = False
    for number, payload in enumerate(payloads):
        found = _found(decoder, payload)
        wrong = wrong or bool(found["errors"])
        if as_json:
            print_json(found if payload.line is None else {"line": payload.line} | found)
            continue
        if len(payloads) > 1:
            shown = shown_payload(payload.data)
            print(f"{'' if number == 0 else chr(10)}# {shown}")
        if payload.envelope is not None:
            print(brief(payload.envelope))
        _print_found(found, decoder)
    if not as_json:
        for missing in decoder.missing:
            print(f"note: without --parameter {missing}=… derived points stay empty", file=sys.stderr)
        if wrong and file is not None and each_line is None and _looks_like_hex(payloads[0].data):
            print(
                "note: the file holds hexadecimal digits as text; with --lines hex they are read as bytes",
                file=sys.stderr,
            )
    if wrong:
        raise typer.Exit(WRONG)


def _found(decoder: Decoder, payload: Payload) -> dict[str, Any]:
    if payload.problem is not None:
        found = refused("envelope", payload.problem)
    elif payload.envelope is not None and payload.envelope["kind"] != "up":
        found = {"readings": [], "errors": []}
    else:
        found = found_in(decoder, payload.data, payload.fport, partial=payload.partial)
    return found if payload.envelope is None else found | {"envelope": payload.envelope}


def _opened(opener: Opener, topic: str | None, payload: Payload, fport: int | None) -> Iterator[Payload]:
    found = opener.open(topic, payload.data)
    if isinstance(found, SourceError):
        yield replace(payload, problem=found.detail)
        return
    for each in found:
        port = each.fport if fport is None else fport
        yield replace(payload, data=each.payload, fport=port, envelope=told_envelope(each), partial=each.partial)


def _print_found(found: dict[str, Any], decoder: Decoder) -> None:
    for line in lines(found, decoder):
        print(line, flush=True)
    for error in found["errors"]:
        print(error_line(error), file=sys.stderr, flush=True)


def _payloads(
    hex_: list[str], base64_: list[str], text: list[str], file: Path | None, each_line: _Form | None, fport: int | None
) -> list[Payload]:
    if sum(1 for given in (hex_, base64_, text, file) if given) != 1:
        raise usage("give the payload in exactly one way: --hex, --base64, --text or --file")
    if each_line is not None and file is None:
        raise usage("--lines says how to read the lines of --file")
    if file is None:
        form: _Form = "hex" if hex_ else "base64" if base64_ else "text"
        return [Payload(_bytes(one, form), fport) for one in hex_ or base64_ or text]
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as error:
        raise usage(f"the payload cannot be read: {error}") from None
    if each_line is None:
        return [Payload(data, fport)]
    found = list(_lines(data, each_line, fport, str(file)))
    if not found:
        raise usage(f"{file} holds no line with a payload")
    return found


def _lines(data: bytes, form: _Form, fport: int | None, name: str) -> Iterator[Payload]:
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        before = _PORT_BEFORE.fullmatch(stripped)
        port, body = (int(before[1]), before[2]) if before and form != "text" else (fport, stripped)
        try:
            yield Payload(_bytes(body, form), port, number)
        except typer.Exit:
            print(f"that is line {number} of {name}", file=sys.stderr)
            raise


def _bytes(given: str, form: _Form) -> bytes:
    if form == "text":
        return given.encode()
    try:
        if form == "hex":
            return bytes.fromhex(_SEPARATORS.sub("", given))
        return base64.b64decode(given, validate=True)
    except binascii.Error as error:
        raise usage(f"--base64 is not base64: {error}") from None
    except ValueError:
        digits = _SEPARATORS.sub("", given)
        strange = re.sub(r"[0-9a-fA-F]", "", digits)
        why = f"'{strange[0]}' is none" if strange else f"{len(digits)} digits are no whole bytes"
        raise usage(f"--hex takes pairs of hexadecimal digits, as 01755C03821E00; {why}") from None


def _looks_like_hex(data: bytes) -> bool:
    return re.fullmatch(rb"[0-9a-fA-F\s]+", data) is not None
