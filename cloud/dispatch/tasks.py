"""The task catalogue by role (`tasks.yaml`): what somebody must do, may help with, and never does."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from wire.alert import Hazard

_SOURCE = Path(__file__).with_name("tasks.yaml")
DEFAULT_ROLE = "default"


class Rule(StrEnum):
    """How a role stands to a task."""

    MUST = "must"
    MAY = "may"
    NEVER = "never"
    NOT_OURS = "not_ours"  # neither named: nobody of this role is asked for it


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of work.

    `skills`: any one of them is needed; None = those of the hazard. `qualified`: without one of them nobody is sent for
    it, not by hand either.
    """

    zh: str
    en: str
    skills: tuple[str, ...] | None = None
    qualified: bool = False


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why not."""

    zh: str
    en: str


class RoleRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rules of one role."""

    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    never: dict[str, Words] = {}


class Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    tasks: dict[str, Task]
    hazards: dict[Hazard, tuple[str, ...]]
    roles: dict[str, RoleRules]


@dataclass(frozen=True, slots=True)
class Judged:
    """How a role stands to a task, and why not."""

    task: str
    rule: Rule
    why: Words | None = None

    @property
    def allowed(self) -> bool:
        """Whether somebody of the role may be sent for it."""
        return self.rule in (Rule.MUST, Rule.MAY)


@cache
def catalogue() -> Catalogue:
    """The catalogue.

    Raises:
        ValueError: for a task that is not described, a hazard or the default role missing, or a task that a role both
            does and never does.
    """
    found = msgspec.convert(yaml.safe_load(_SOURCE.read_text("utf-8")), Catalogue)
    check(found)
    return found


def check(found: Catalogue) -> None:
    """See `catalogue`."""
    if missing := [hazard for hazard in Hazard if not found.hazards.get(hazard)]:
        raise ValueError(f"{_SOURCE.name}: no tasks for {', '.join(missing)}")
    if DEFAULT_ROLE not in found.roles:
        raise ValueError(f"{_SOURCE.name}: no rules for the role '{DEFAULT_ROLE}'")
    named = {task for tasks in found.hazards.values() for task in tasks}
    for role, rules in found.roles.items():
        named |= {*rules.must, *rules.may, *rules.never}
        if both := {*rules.must, *rules.may} & rules.never.keys():
            raise ValueError(f"{_SOURCE.name}: {role} does and never does {', '.join(sorted(both))}")
    for code, task in found.tasks.items():
        if task.qualified and not task.skills:
            raise ValueError(f"{_SOURCE.name}: {code} asks for a qualification and names no skill")
    if unknown := named - found.tasks.keys():
        raise ValueError(f"{_SOURCE.name}: {', '.join(sorted(unknown))} is not among the tasks")


def rules_of(role: str) -> RoleRules:
    """The rules of a role; of one that the catalogue does not know, the default's."""
    roles = catalogue().roles
    return roles.get(role, roles[DEFAULT_ROLE])


def judge(role: str, task: str) -> Judged:
    """How a role stands to a task. What it never does outweighs everything."""
    rules = rules_of(role)
    if (why := rules.never.get(task)) is not None:
        return Judged(task, Rule.NEVER, why)
    rule = Rule.MUST if task in rules.must else Rule.MAY if task in rules.may else Rule.NOT_OURS
    return Judged(task, rule)


@dataclass(frozen=True, slots=True)
class Who:
    """The roles that a task is for."""

    must: tuple[str, ...]
    may: tuple[str, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        """All, those that must first."""
        return self.must + self.may


def who_may(task: str) -> Who:
    """Which roles do a task; nobody at all is a matter for a service outside (traffic police, a qualified firm)."""
    roles = [role for role in catalogue().roles if role != DEFAULT_ROLE]
    judged = {role: judge(role, task).rule for role in roles}
    return Who(
        tuple(role for role in roles if judged[role] is Rule.MUST),
        tuple(role for role in roles if judged[role] is Rule.MAY),
    )


def lacks_qualification(task: str, skills: Collection[str], of_hazard: Collection[str]) -> frozenset[str]:
    """Skills of which one is needed and none is there, for a task that nobody does without; else none."""
    if not catalogue().tasks[task].qualified:
        return frozenset()
    needed = skills_for(task, of_hazard)
    return frozenset() if needed & set(skills) else needed


def own_task(role: str, hazard: Hazard) -> Judged | None:
    """What a role is asked for at such an incident: the first that it must do, else the first that it may."""
    judged = [judge(role, task) for task in catalogue().hazards[hazard]]
    for wanted in (Rule.MUST, Rule.MAY):
        for one in judged:
            if one.rule is wanted:
                return one
    return None


def skills_for(task: str, of_hazard: Collection[str]) -> frozenset[str]:
    """Any one of these is needed; empty = none."""
    named = catalogue().tasks[task].skills
    return frozenset(of_hazard if named is None else named)


def as_json() -> dict[str, Any]:
    """The catalogue as the API shows it."""
    found = catalogue()
    return {
        "tasks": [
            {
                "code": code,
                "text_zh": task.zh,
                "text_en": task.en,
                "skills": task.skills and list(task.skills),
                "qualified": task.qualified,
                "roles": list(who_may(code).roles),
            }
            for code, task in found.tasks.items()
        ],
        "hazards": {hazard.value: list(tasks) for hazard, tasks in found.hazards.items()},
        "roles": {
            role: {
                "must": list(rules.must),
                "may": list(rules.may),
                "never": [{"task": task, "why_zh": why.zh, "why_en": why.en} for task, why in rules.never.items()],
            }
            for role, rules in found.roles.items()
        },
    }
