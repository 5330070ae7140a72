"""Sets the auditor's first round; it and every other timer are carried out by the workers of cloud/timers."""

from cloud.dispatch import auditor
from cloud.services import Services


async def background(services: Services) -> None:
    """At the start of a process the auditor looks at once: what an upgrade or a crash left without a clock gets one."""
    await auditor.begin(services)
