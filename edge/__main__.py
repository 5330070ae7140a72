"""`python -m edge FILE`: the agent without the rest of the command line."""

import logging
import sys
from pathlib import Path

from edge.agent import STARTUP_ERRORS, run

if len(sys.argv) != 2:
    sys.exit("usage: python -m edge FILE.toml")
logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
logging.getLogger("httpx").setLevel(logging.WARNING)
try:
    run(Path(sys.argv[1]))
except STARTUP_ERRORS as error:
    sys.exit(f"edge: {error}")
