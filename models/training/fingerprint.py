"""The name of a model: the fingerprint of data, code, parameters and seed."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from contracts.words import DEFINITION_VERSION

_ROOT: Final = Path(__file__).resolve().parent.parent
_ROOMS: Final = ("training", "calibration", "evaluation", "scoring")
_LIBRARIES: Final = ("lightgbm", "numpy", "pandas", "scikit-learn")


def fingerprint(**parts: Any) -> str:
    """Hex sha256 of JSON-ready parts, independent of their order."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@functools.cache
def code_version() -> str:
    """Hash of the sources that make a model, and of the libraries that fit it."""
    digest = hashlib.sha256()
    files = [*_ROOT.glob("feature*.py"), *(path for room in _ROOMS for path in (_ROOT / room).glob("*.py"))]
    for path in sorted(files):
        digest.update(path.relative_to(_ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    for name in _LIBRARIES:
        digest.update(f"{name}={version(name)}".encode())
    return digest.hexdigest()


def model_fingerprint(*, data: str, parameters: Mapping[str, Any], seed: int) -> str:
    """Name of the model that this data, code, these parameters and this seed make."""
    return fingerprint(
        data=data, code=code_version(), definitions=DEFINITION_VERSION, parameters=dict(parameters), seed=seed
    )
