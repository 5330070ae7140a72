"""Frame `registers`: a block of 16-bit registers. It is a struct whose places are counted in registers."""

from typing import Any

from device_profiles.document import Extract, RegistersFrame, StructFrame, When
from device_profiles.frames.plan import Parts
from device_profiles.frames.struct_frame import StructPlan


def registers_plan(frame: RegistersFrame, parts: Parts) -> StructPlan:
    """The plan of a registers frame."""
    documents = {
        name: document if document.formula is not None else document.model_copy(update=_moved(document, frame))
        for name, document in parts.documents.items()
    }
    states = {name: state.model_copy(update=_moved(state, frame)) for name, state in parts.states.items()}
    return StructPlan(as_struct(frame), Parts(parts.points, documents, states, parts.formulas))


def as_struct(frame: RegistersFrame) -> StructFrame:
    """The frame in bytes."""
    written = {name: getattr(frame, name) for name in RegistersFrame.model_fields if name in StructFrame.model_fields}
    written["kind"] = "struct"
    for name in ("ts", "seq"):
        if written[name] is not None:
            written[name] = written[name].model_copy(update={"at": byte_of(written[name].at, frame)})
    return StructFrame.model_construct(**{**_defaults(), **written})


def byte_of(register: Any, frame: RegistersFrame) -> int:
    """The offset of a register in the message; negative where it lies before the block."""
    return frame.start + 2 * (int(register) - frame.first)


def _defaults() -> dict[str, Any]:
    return {name: field.get_default(call_default_factory=True) for name, field in StructFrame.model_fields.items()}


def _moved(extract: Extract, frame: RegistersFrame) -> dict[str, Any]:
    moved: dict[str, Any] = {"at": byte_of(extract.at, frame), "when": _moved_whens(extract.when, frame)}
    if extract.type is None:
        moved["type"] = "u16"
    moved["also"] = [
        also.model_copy(
            update={
                "at": None if also.at is None else byte_of(also.at, frame),
                "when": _moved_whens(also.when, frame),
            }
        )
        for also in extract.also
    ]
    return moved


def _moved_whens(when: When | list[When] | None, frame: RegistersFrame) -> When | list[When] | None:
    if when is None:
        return None
    if isinstance(when, list):
        return [each.model_copy(update={"at": byte_of(each.at, frame)}) for each in when]
    return when.model_copy(update={"at": byte_of(when.at, frame)})
