"""Processes that only carry out timers: `python duty_worker.py DATABASE_URL DATA_DIR LEASE_S HOW_MANY`.

One Python start for all of them: they are forked, each prints its id and waits for SIGUSR1.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from cloud.app import create_services, load_models
from cloud.settings import Settings
from cloud.timers.worker import run_due, worker_name


async def work(url: str, folder: str, lease_s: str) -> None:
    """Until it is killed. It asks again at once: the test wants it between two steps, not asleep."""
    services = create_services(Settings(data_dir=Path(folder), database_url=url, timer_lease_s=float(lease_s)))
    name = worker_name()
    while True:
        if not await run_due(services, name):
            await asyncio.sleep(0.02)


def main(url: str, folder: str, lease_s: str, how_many: str) -> None:
    """Fork them, then wait until all are dead."""
    load_models()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    children = []
    for number in range(int(how_many)):
        child = os.fork()
        if child == 0:
            signal.sigwait({signal.SIGUSR1})
            asyncio.run(work(url, f"{folder}/{number}", lease_s))
        children.append(child)
    print(*children, flush=True)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
