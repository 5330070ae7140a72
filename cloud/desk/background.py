"""Sets the first sweep of attachment files; the workers of cloud/timers carry it out, day by day."""

from cloud.desk import due
from cloud.services import Services


async def background(services: Services) -> None:
    """Once at the start of a process."""
    await due.begin(services)
