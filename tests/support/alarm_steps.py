"""Steps of one alarm for tests: changes as the engine makes them, decisions as people make them."""

from rules.alarm import Around, OutOfService, advance, superseded, unshelve_if_due, with_service, with_suppressor
from rules.columns import Change
from wire.alert import Hazard, Verb
from wire.configuration import Decision
from wire.level import Level
from wire.time import to_datetime

T0 = 1_780_000_000_000
HOUR = 3_600_000
LATCHING = Around(latch=True)
SERVICE = OutOfService(
    target="d:smoke",
    by="per_1",
    why="painting",
    since=to_datetime(T0),
    until=to_datetime(T0 + 24 * HOUR),
    decision="dec-9",
)


def change(verb, at=T0, level=Level.III, opened=T0, suspect=False, rule="smoke", hazard=Hazard.SMOKE, **evidence):
    return Change("d", None, rule, hazard, verb, level, at, opened, suspect, 0, {"value": 1.0, **evidence})


def decision(verb, episode=T0, expires=T0 + 60_000, until=None, note="", alarm="d:smoke", name="dec-1"):
    return Decision(
        id=name,
        verb=verb,
        alarm_id=alarm,
        episode=episode,
        author="per_1",
        issued_at=to_datetime(T0),
        expires_at=to_datetime(expires),
        until=until,
        note=note,
    )


def shelve(episode=T0, hours=1.0, **more):
    return decision("shelve", episode, until=to_datetime(T0 + round(hours * HOUR)), note="steam in the bath", **more)


def around_of(record):
    """What mutes the alarm goes on doing so."""
    if record is None:
        return Around()
    facts = record.facts
    return Around(suppressed_by=facts.suppressed_by, service=SERVICE if facts.out_of_service else None)


def stimulate(record, what):  # noqa: C901  one case a stimulus
    """One stimulus; None or a Refusal where it does nothing."""
    opened = record.episode if record else T0
    around = around_of(record)
    match what:
        case "raise":
            opened = T0 if record is None else record.following + 1000
            return advance(record, change(Verb.RAISED, opened, opened=opened), around=around)
        case "escalate":
            return advance(record, change(Verb.ESCALATED, T0 + 5, Level.II, opened), around=around)
        case "deescalate":
            return advance(record, change(Verb.DEESCALATED, T0 + 5, Level.IV, opened))
        case "clear":
            return advance(record, change(Verb.CLEARED, T0 + 9, None, opened))
        case "clear, latching":
            return advance(record, change(Verb.CLEARED, T0 + 9, None, opened), around=LATCHING)
        case "shelve":
            return advance(record, shelve(opened), now=T0 + 10)
        case "shelf over":
            return unshelve_if_due(record, T0 + HOUR)
        case "suppress":
            return with_suppressor(record, "building:common_mode", T0 + 10)
        case "suppression over":
            return with_suppressor(record, None, T0 + 10)
        case "out of service":
            return with_service(record, SERVICE, T0 + 10, {})
        case "into service":
            return with_service(record, None, T0 + 10, {})
        case "new episode":
            return superseded(record, T0 + 10)
        case _:
            return advance(record, decision(what, opened), now=T0 + 10)
