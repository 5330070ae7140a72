"""Every place of a binary message where a point or a state may stand."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from device_profiles.document import (
    AlsoPlace,
    Extract,
    PointDocument,
    RecordPlace,
    Records,
    StateDocument,
    When,
)
from device_profiles.frames.layout import REAL, TEXTS, Order, Place, width
from device_profiles.frames.plan import Parts


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a point or state, with all that happens to the raw value."""

    name: str
    index: int  # among the points; -1: a state
    at: int
    kind: str
    size: int
    order: Order | None  # None: the frame's
    tags: tuple[bytes, ...]
    mask: int | None
    shift: int
    sign: str | None
    missing: tuple[int | float | str, ...]
    map: Mapping[str, Any]
    bias: int
    scale: float | None
    offset: float
    whens: tuple[When, ...]
    group: int | None
    optional: bool
    ports: frozenset[int] | None

    @property
    def place(self) -> Place:
        """Where it stands."""
        kind = "version4" if self.kind == "version" and self.shift else self.kind
        return Place(self.at, kind, self.size, self.order)

    @property
    def nullable(self) -> bool:
        """Whether the raw value may be None."""
        return self.kind.startswith("bcd") or self.kind == "ascii"

    @property
    def certain(self) -> bool:
        """Whether a value comes out whatever the raw value is."""
        return not (self.missing or self.map or self.nullable or self.worded)

    @property
    def real(self) -> bool:
        """Whether the raw value is a floating-point number."""
        return self.kind in REAL

    @property
    def worded(self) -> bool:
        """Whether the raw value is text."""
        return self.kind in TEXTS


def tags(document: Extract | AlsoPlace) -> tuple[bytes, ...]:
    """The tags at which a value of a tlv frame may stand."""
    written = [document.tag] if isinstance(document.tag, str) else document.tag or []
    return tuple(bytes.fromhex(tag) for tag in written)


def whens(when: When | list[When] | None) -> tuple[When, ...]:
    """The conditions under which a value is there."""
    if when is None:
        return ()
    return (when,) if isinstance(when, When) else tuple(when)


def cells(parts: Parts) -> list[Cell]:
    """All places of all points and states, in the order of the profile."""
    found: list[Cell] = []
    for index, point in enumerate(parts.points):
        if not point.derived:
            found += places(point.name, index, parts.documents[point.name])
    for name, state in parts.states.items():
        found += places(name, -1, state)
    return found


def places(name: str, index: int, document: PointDocument | StateDocument) -> Iterator[Cell]:
    """The places of one point or state."""
    point = document if isinstance(document, PointDocument) else None
    kind = str(document.type or "u8")
    first = Cell(
        name=name,
        index=index,
        at=document.at if isinstance(document.at, int) else 0,
        kind=kind,
        size=width(kind, document.size),
        order=document.order,
        tags=tags(document),
        mask=document.mask,
        shift=document.shift,
        sign=document.sign,
        missing=tuple(document.missing),
        map=document.map,
        bias=point.bias if point else 0,
        scale=point.scale if point else None,
        offset=point.offset if point else 0.0,
        whens=whens(document.when),
        group=document.group,
        optional=document.optional,
        ports=None if document.ports is None else frozenset(document.ports),
    )
    yield first
    for also in document.also:
        yield _differing(first, also)


def record_cells(records: Records, parts: Parts) -> list[Cell]:
    """The places inside one record of the past."""
    found = []
    index_of = {point.name: index for index, point in enumerate(parts.points)}
    for name, written in records.points.items():
        index = index_of.get(name, -1)
        document: PointDocument | StateDocument = parts.states[name] if index < 0 else parts.documents[name]
        first = next(places(name, index, document))
        first = replace(first, at=0, tags=(), whens=(), group=None, optional=False, ports=None)
        found.append(_differing(first, RecordPlace(at=written) if isinstance(written, int) else written))
    return found


def _differing(first: Cell, other: AlsoPlace | RecordPlace) -> Cell:
    """The same value at another place."""
    changed: dict[str, Any] = {
        key: getattr(other, key) for key in ("at", "order", "mask", "shift", "sign", "bias", "scale", "offset", "map")
    }
    kind = other.type or first.kind
    if other.type is not None or other.size is not None:
        changed |= {"kind": kind, "size": width(kind, other.size)}
    if other.missing is not None:
        changed["missing"] = tuple(other.missing)
    if other.when is not None:
        changed["whens"] = whens(other.when)
    if isinstance(other, AlsoPlace):
        changed |= {"group": other.group, "optional": other.optional, "tags": tags(other) or None}
        changed["ports"] = None if other.ports is None else frozenset(other.ports)
    return replace(first, **{key: value for key, value in changed.items() if value is not None})
