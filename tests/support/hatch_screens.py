"""The build of the screens, as the tests may ask for it: `hatch_build.py` lies beside the packages, not in one."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent.parent


def hatch_build() -> ModuleType:
    """The build hook as a module."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def built() -> bool:
    """Whether the screens stand (built from these sources, or brought along)."""
    module = hatch_build()
    return bool(module.is_built()) or (module.WEB / "dist" / "index.html").is_file()
