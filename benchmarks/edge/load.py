"""The sensors: one process, a few connections, raw sockets, packets made beforehand but for time and number.

    python -m benchmarks.edge.load PORT --devices N --rate R|0 --seconds S --done FILE …

QoS 1, at most `WINDOW` unacknowledged a connection. Rate 0: as much as comes through, with at most `--lag` messages
published and not yet taken by the subscriber (`--done` says how many it took): a broker takes more than it can deliver,
and without that bound its queue, not the subscriber, would be measured.
Prints JSON: what was sent, when it began and ended. SIGTERM ends it before its time.
"""

import argparse
import json
import select
import signal
import socket
import sys
import time
from pathlib import Path

from benchmarks.edge.machine import Counter

CONNECTIONS = 4
WINDOW = 1000
CHUNK = 100
SEQ = slice(26, 42)
"""Where the number stands in a payload; it is the microsecond of the publishing."""
KINDS = ("water", "smoke")
TAILS = {
    # a dry underpass, one value a message
    "water": [b',"boot":"a1","level":0.00%d}' % (1 + number % 5) for number in range(61)],
    # a quiet room, six values
    "smoke": [
        b',"boot":"a1","obscuration":0.0%d,"temperature":21.%d,"co":1,"humidity":48,"battery":97,"alarm":0}'
        % (10 + number % 9, number % 7)
        for number in range(61)
    ],
}
ALARM = b',"boot":"a1","obscuration":0.019,"temperature":21.6,"co":1,"humidity":48,"battery":97,"alarm":1}'


def name(index: int, prefix: str = "d") -> str:
    """The id of a device."""
    return f"{prefix}{index:06d}"


def heads(devices: int, site: str, prefix: str, kind: str) -> list[bytes]:
    """What a PUBLISH of each device begins with, up to the packet id."""
    payload = len(b'{"ts":1795391992868,"seq":1795391992868123') + len(TAILS[kind][0])
    found = []
    for index in range(devices):
        topic = f"sensors/{site}/{name(index, prefix)}/telemetry".encode()
        length = 2 + len(topic) + 2 + payload
        found.append(bytes((0x32, length & 0x7F | 0x80, length >> 7)) + len(topic).to_bytes(2, "big") + topic)
    return found


class Connection:
    """One MQTT connection that publishes."""

    def __init__(self, port: int, client_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        identity = client_id.encode()
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(identity).to_bytes(2, "big") + identity
        self.socket.sendall(bytes((0x10, len(body))) + body)
        if self.socket.recv(4) != b"\x20\x02\x00\x00":
            raise RuntimeError("the broker refuses the generator")
        self.in_flight = 0
        self._packet_id = 0
        self._rest = 0

    def ids(self, count: int) -> list[bytes]:
        found = []
        for _ in range(count):
            self._packet_id = self._packet_id % 65_535 + 1
            found.append(self._packet_id.to_bytes(2, "big"))
        self.in_flight += count
        return found

    def heard(self) -> None:
        """Nothing but PUBACKs comes, four bytes each."""
        data = self.socket.recv(65_536)
        if not data:
            raise RuntimeError("the broker hung up on the generator")
        count, self._rest = divmod(self._rest + len(data), 4)
        self.in_flight -= count


class Load:
    """Devices in turn, each message with the time of its publishing."""

    def __init__(self, port: int, chosen: argparse.Namespace) -> None:
        self.heads = heads(chosen.devices, chosen.site, chosen.prefix, chosen.kind)
        self.tails = TAILS[chosen.kind]
        self.alarm_every = chosen.alarm_every
        self.begin_alarms = chosen.alarms_after
        self.connections = [Connection(port, f"load-{number}-{chosen.prefix}") for number in range(CONNECTIONS)]
        self.sent = 0
        self.last_us = 0
        self.alarms: dict[int, int] = {}  # by device, the ms of its first alarm
        self._next_alarm = 0
        self.ended = False

    def end(self, *_: object) -> None:
        """No more; what is on its way is waited for."""
        self.ended = True

    def send(self, connection: Connection, count: int) -> None:
        """So many messages in one piece."""
        parts = []
        devices, tails = self.heads, self.tails
        for packet_id in connection.ids(count):
            now_us = max(time.time_ns() // 1000, self.last_us + 1)
            self.last_us = now_us
            device = self.sent % len(devices)
            tail = tails[self.sent % 61]
            if self.alarm_every:
                tail = self._tail(device, now_us, tail)
            parts.append(b'%b%b{"ts":%d,"seq":%d%b' % (devices[device], packet_id, now_us // 1000, now_us, tail))
            self.sent += 1
        connection.socket.sendall(b"".join(parts))

    def _tail(self, device: int, now_us: int, tail: bytes) -> bytes:
        """A new device begins to call every so often; one that calls goes on calling."""
        if device not in self.alarms and self.sent >= self._next_alarm and self.sent >= self.begin_alarms:
            self._next_alarm = self.sent + self.alarm_every
            self.alarms[device] = now_us // 1000
        return ALARM if device in self.alarms else tail

    def run(self, rate: float, seconds: float, done: Counter, lag: int) -> None:
        taken = done.get()
        start = time.monotonic()
        while not self.ended and (now := time.monotonic()) < start + seconds:
            due = lag - (self.sent - (done.get() - taken)) if not rate else int((now - start) * rate) - self.sent
            for connection in self.connections:
                count = min(due, WINDOW - connection.in_flight, CHUNK if not rate else due)
                if count > 0:
                    self.send(connection, count)
                    due -= count
            self.listen(0.0 if due > 0 and any(each.in_flight < WINDOW for each in self.connections) else 0.0005)
        end = time.monotonic() + 30
        while any(each.in_flight for each in self.connections) and time.monotonic() < end:
            self.listen(0.1)

    def listen(self, timeout_s: float) -> None:
        known = {each.socket: each for each in self.connections}
        ready, _, _ = select.select(list(known), [], [], timeout_s)
        for sock in ready:
            known[sock].heard()


def arguments(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("port", type=int)
    parser.add_argument("--devices", type=int, required=True)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--done", type=Path, required=True)
    parser.add_argument("--lag", type=int, default=8192)
    parser.add_argument("--site", default="s1")
    parser.add_argument("--prefix", default="d")
    parser.add_argument("--kind", choices=KINDS, default="water")
    parser.add_argument("--alarm-every", type=int, default=0, help="messages between two devices that begin to call")
    parser.add_argument("--alarms-after", type=int, default=0, help="messages before the first")
    return parser


def main() -> None:
    chosen = arguments(argparse.ArgumentParser(description=__doc__)).parse_args()
    load = Load(chosen.port, chosen)
    signal.signal(signal.SIGTERM, load.end)
    begin = time.time()
    load.run(chosen.rate, chosen.seconds, Counter(chosen.done), chosen.lag)
    json.dump({"sent": load.sent, "begin": begin, "end": time.time(), "alarms": load.alarms}, sys.stdout)


if __name__ == "__main__":
    main()
