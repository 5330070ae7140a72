"""Fuzzes every decoder of the library: `python -m fuzz [--seconds N] [--profile NAME …] [--corpus FOLDER]`.

What libFuzzer makes up is a profile, a port and a payload, beginning with the examples of the library. A finding is any
exception but DecodeError, a message of another form than its documentation says, or more than ten milliseconds of CPU
in several runs. It ends the run and is left as a file `crash-…` that is given back as an argument to see it again.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path

try:
    import atheris
except ImportError:
    print("atheris is not installed: `pip install atheris` (Linux, CPython 3.11 to 3.13)", file=sys.stderr)
    sys.exit(2)

with atheris.instrument_imports(include=["device_profiles"]):
    from device_profiles.decoder import DecodeError, Decoder, Message, ProblemCode
    from device_profiles.library import Library
    from device_profiles.profile import Profile
    from device_profiles.quantity import EVENTS

LIMIT_S = 0.010
RUNS = 5


def check(decoder: Decoder, profile: Profile, message: Message, *, earlier: bool = False) -> None:
    """A message is what its documentation says."""
    assert len(message.values) == len(decoder.points)
    assert all(value is None or type(value) is float for value in message.values), message.values
    assert all(type(word) is str for word in message.texts.values())
    assert set(message.texts) <= {state.name for state in profile.states}
    assert set(message.events) <= set(EVENTS)
    assert len(set(message.events)) == len(message.events)
    assert all(code in frozenset(ProblemCode) for _, code, _ in message.problems)
    assert message.ts is None or type(message.ts) is int
    assert message.seq is None or type(message.seq) is int
    assert not (earlier and message.earlier)
    for record in message.earlier:
        check(decoder, profile, record, earlier=True)


def cpu_s(decoder: Decoder, payload: bytes, fport: int | None) -> float:
    """CPU seconds of one decoding, its outcome aside."""
    began = time.process_time()
    with contextlib.suppress(DecodeError):
        decoder.decode(payload, fport)
    return time.process_time() - began


def main() -> None:
    """Runs until the time is up or something is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--profile", action="append", help="these alone; default: all of the library")
    parser.add_argument("--corpus", type=Path, help="a folder that keeps what was found interesting")
    parser.add_argument("file", nargs="*", help="payloads to see again")
    options = parser.parse_args()
    library = Library.load()
    profiles = [library[name] for name in options.profile or library.names()]
    decoders = [profile.decoder({each.name: 3.0 for each in profile.parameters}) for profile in profiles]
    for decoder in decoders:
        compiled = vars(decoder).get("decode")
        if compiled is not None and not hasattr(compiled, "__self__"):
            atheris.instrument_func(compiled)

    def one(data: bytes) -> None:
        """The first two bytes say which profile, the third the port, the rest is the payload."""
        if len(data) < 3:
            return
        place = int.from_bytes(data[:2], "big") % len(profiles)
        fport, payload = (None if data[2] == 0 else data[2]), data[3:]
        decoder, profile = decoders[place], profiles[place]
        began = time.process_time()
        try:
            message = decoder.decode(payload, fport)
        except DecodeError:
            message = None
        if time.process_time() - began > LIMIT_S:
            least = min(cpu_s(decoder, payload, fport) for _ in range(RUNS))
            # instrumented code is slower; what is slow without it too is told by the tests
            assert least < 4 * LIMIT_S, f"{profile.name}: {least * 1000:.0f} ms"
        if message is not None:
            check(decoder, profile, message)

    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder)
        for place, profile in enumerate(profiles):
            for number, example in enumerate(profile.examples):
                head = place.to_bytes(2, "big") + bytes([example.fport or 0])
                (seeds / f"{place}-{number}").write_bytes(head + example.payload)
        folders = [*([str(options.corpus)] if options.corpus else []), str(seeds)]
        arguments = [f"-max_total_time={options.seconds}", "-max_len=4200", "-timeout=5", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *arguments, *(options.file or folders)], one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
