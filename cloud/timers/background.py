"""The worker of timers."""

from cloud.services import Services
from cloud.timers.worker import work, worker_name


async def background(services: Services) -> None:
    """Carry out what falls due, until cancelled."""
    await work(services, worker_name())
