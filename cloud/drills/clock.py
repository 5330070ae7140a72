"""The clock of a drill as segments: start, pause, resume, rate, stop. Pure; injects stand in exercise time.

A drill's scenario time begins at the wall time of its creation and stands still until the start, so that readings carry
plausible instants. Pauses never have to be added up: a paused segment has rate 0.
"""

from typing import Literal

from wire.time import Segment, Timeline

Move = Literal["start", "pause", "resume", "stop"]
State = Literal["draft", "running", "paused", "ended"]
MIN_RATE, MAX_RATE = 0.1, 60.0
_MOVES: dict[Move, tuple[tuple[State, ...], State]] = {
    "start": (("draft",), "running"),
    "pause": (("running",), "paused"),
    "resume": (("paused",), "running"),
    "stop": (("draft", "running", "paused"), "ended"),
}


class WrongMove(ValueError):  # noqa: N818
    """The drill is not in a state in which this can be done."""

    def __init__(self, move: Move, state: State) -> None:
        super().__init__(f"A drill that is {state} cannot {move}.")


def after(move: Move, state: State) -> State:
    """The state that a move leads to; the same move again changes nothing.

    Raises:
        WrongMove: when it cannot be made.
    """
    allowed, result = _MOVES[move]
    if state in allowed or (state == result and not (move == "start" and state != "running")):
        return result
    raise WrongMove(move, state)


def created(drill: str, wall_ms: int) -> Timeline:
    """A clock that stands still at the moment of creation."""
    return Timeline(name=drill, segments=(Segment(wall_ms, wall_ms, 0.0),))


def turned(clock: Timeline, wall_ms: int, rate: float) -> Timeline:
    """The clock with another rate from a wall time on; 0 = paused. The past stays as it was."""
    last = clock.segments[-1]
    wall = max(wall_ms, last.wall_ms + 1)
    segment = Segment(wall, clock.scenario(wall), rate)
    return Timeline(name=clock.name, segments=(*clock.segments, segment))


def elapsed_s(clock: Timeline, wall_ms: int) -> float:
    """Exercise seconds since the start."""
    return (clock.scenario(wall_ms) - clock.segments[0].scenario_ms) / 1000


def due_wall_ms(clock: Timeline, at_s: float) -> int | None:
    """Wall time at which the clock shows so many exercise seconds; None while it stands still before."""
    return clock.wall(clock.segments[0].scenario_ms + round(at_s * 1000))
