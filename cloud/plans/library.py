"""The plans that are shipped: one YAML file a hazard."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import msgspec
import yaml

from cloud.plans.plan import Plan, faults, read
from wire.alert import Hazard

FOLDER = Path(__file__).with_name("library")


@cache
def shipped() -> Mapping[Hazard, Plan]:
    """Every hazard's plan.

    Raises:
        ValueError: a file that cannot be so, with its name and the fault.
    """
    found: dict[Hazard, Plan] = {}
    for hazard in Hazard:
        file = FOLDER / f"{hazard.value}.yaml"
        try:
            plan = read(yaml.safe_load(file.read_text("utf-8")))
        except (msgspec.ValidationError, yaml.YAMLError) as error:
            raise ValueError(f"{file.name}: {error}") from None
        wrong = faults(plan)
        if wrong or plan.hazard is not hazard:
            first = f"{wrong[0].where} {wrong[0].what}" if wrong else f"is the plan of {plan.hazard}"
            raise ValueError(f"{file.name}: {first}")
        found[hazard] = plan
    return MappingProxyType(found)
