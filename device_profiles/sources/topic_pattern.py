"""MQTT topic patterns with names: `application/{application}/device/{address}/event/{event}`. Pure."""

import re
from collections.abc import Mapping

LONGEST_TOPIC = 1024
_NAMED = re.compile(r"\{([a-z][a-z0-9_]*)(\.\.\.)?\}")
_PLAIN = re.compile(r"[^+#\x00{}]*")


class PatternError(ValueError):
    """A pattern that is none; the message says why."""


class TopicPattern:
    """One pattern.

    `{name}` stands for one level, `{name...}` for one or more of them; everything else for itself.

    Args:
        text: as written.

    Raises:
        PatternError: for anything else.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.levels: tuple[str, ...] = tuple(text.split("/"))
        names: list[str] = []
        steps = []
        for level in self.levels:
            named = _NAMED.fullmatch(level)
            if named is None:
                if not _PLAIN.fullmatch(level):
                    raise PatternError(f"'{level}' is neither a plain level nor {{name}} nor {{name...}}")
                steps.append(re.escape(level))
                continue
            if named[1] in names:
                raise PatternError(f"{{{named[1]}}} stands twice")
            names.append(named[1])
            steps.append(f"(?P<{named[1]}>{'.+' if named[2] else '[^/]+'})")
        if not text or "" in self.levels:
            raise PatternError("a level is empty")
        if text.count("...}") > 1:
            raise PatternError("only one {name...} in a pattern")
        self.names = tuple(names)
        self._match = re.compile("/".join(steps), re.DOTALL).fullmatch

    def match(self, topic: str) -> dict[str, str] | None:
        """What stands where the names are; None when the topic is another."""
        found = self._match(topic) if len(topic) <= LONGEST_TOPIC else None
        return None if found is None else found.groupdict()

    def filter(self, **known: str) -> str:
        """The MQTT filter that covers it; names that are known stand for themselves."""
        levels = []
        for level in self.levels:
            named = _NAMED.fullmatch(level)
            if named is not None and named[1] in known:
                levels.append(known[named[1]])
            elif named is None:
                levels.append(level)
            elif named[2]:
                levels.append("#")
                break  # nothing may follow it in a filter
            else:
                levels.append("+")
        return "/".join(levels)


def fill(template: str, captures: Mapping[str, str]) -> str:
    """A template with its names filled in; KeyError for a name that is not there."""
    return _NAMED.sub(lambda found: captures[found[1]], template)


def names_of(template: str) -> list[str]:
    """The names in a template."""
    return [found[1] for found in _NAMED.finditer(template)]


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic of the one MQTT filter belongs to the other too."""
    wides, narrows = wide.split("/"), narrow.split("/")
    for index, level in enumerate(wides):
        if level == "#":
            # a leading wildcard does not reach topics that begin with $
            return index > 0 or not narrows[0].startswith("$")
        if index >= len(narrows) or narrows[index] == "#":
            return False
        if level != narrows[index] and level != "+":
            return False
    return len(wides) == len(narrows)


def fewest(filters: list[str]) -> list[str]:
    """The filters without those that another one covers, so that no message is delivered twice for nothing."""
    unique = list(dict.fromkeys(filters))
    return [each for each in unique if not any(covers(other, each) for other in unique if other != each)]
