"""Personal values on a timeline are forgotten: the value and its salt go, the chain still verifies."""

from collections.abc import Sequence

from cloud.audit import service as audit
from cloud.incidents import timeline
from cloud.incidents.docket import Actor, Docket
from cloud.incidents.model import Incident, TimelineEntry
from cloud.incidents.views import entry_json
from cloud.problems import conflict, invalid


def field_name(given: str) -> str:
    """`text` means `params.text`; `actor.name` is itself."""
    return given if given.startswith(("params.", "actor.")) else f"params.{given}"


async def forget(
    docket: Docket, incident: Incident, seq: int, fields: Sequence[str], actor: Actor, *, reason: str
) -> list[str]:
    """Forget values of one line, and where the incident shows them itself; the fields that went.

    Who asked, which line and which fields – never the values – go to the timeline and the audit chain.

    Raises:
        Problem: 422 for a line or field that is not there, 409 for a line from before values had salts.
    """
    entry = await docket.session.get(TimelineEntry, (incident.id, seq))
    if entry is None:
        raise invalid("seq", f"there is no line {seq}", "take one of the timeline")
    known = timeline.values_of(entry)
    wanted = [field_name(field) for field in fields]
    unknown = sorted(set(wanted) - known.keys() - set(timeline.forgotten(entry.sealed)))
    if unknown:
        raise invalid("fields", f"line {seq} has no '{unknown[0]:.80}'", f"it has: {', '.join(sorted(known))}")
    values = {field: known[field] for field in wanted if field in known}
    try:
        gone = timeline.forget(entry, wanted)
    except ValueError as error:
        raise conflict("no-salt", f"Line {seq}: {error}.") from None
    if not gone:
        return []
    shown = incident.headline.get("params", {})
    if incident.headline.get("code") == "by_hand" and shown.get("text") in values.values():
        incident.headline = {"code": "by_hand", "params": {"text": ""}}
    docket.write(incident, "forgotten", actor, {"line": seq, "fields": gone, "reason": reason})
    docket.say(
        kind="timeline", key=incident.id, value=entry_json(entry), incident=incident, persons=()
    )  # screens that hold the line put this one in its place
    await docket.session.flush()
    body = {"incident": incident.id, "line": seq, "fields": gone}
    await audit.append(docket.session, kind="forgotten", now=docket.now, subject=incident.id, actor=actor.id, body=body)
    return gone
