"""Loads a model in a fresh interpreter and compares its answers with those noted at training.

Run as `python -m models.scoring.probe MODEL SHA256 PROBE`; exits with a readable line when the model cannot be used.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

_SECONDS: Final = 60.0
_TOLERANCE: Final = 1e-12


def probe_rows(frame: Any, names: list[str], p: Any) -> bytes:
    """JSON of some rows and the p that the model gives them."""
    columns = {name: [None if value != value else value for value in frame[name].tolist()] for name in names}
    return json.dumps({"rows": columns, "p": [float(value) for value in p]}, sort_keys=True).encode() + b"\n"


def load_fault(model: Path, *, sha256: str, probe: Path) -> str | None:
    """None when a fresh interpreter loads the model and answers alike, else what went wrong."""
    root = Path(__file__).resolve().parent.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own module with paths of ours
            [sys.executable, "-m", "models.scoring.probe", str(model), sha256, str(probe)],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not load within {_SECONDS:.0f} s"
    if done.returncode == 0:
        return None
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return lines[-1] if lines else f"its loader ended with code {done.returncode}"


def main(arguments: list[str]) -> int:
    """Load, answer, compare."""
    import numpy as np
    import pandas as pd

    from models.scoring.files import load_model

    path, sha256, probe = arguments
    asked = json.loads(Path(probe).read_text())
    frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in asked["rows"].items()})
    found = load_model(Path(path), sha256=sha256).p(frame)
    difference = float(np.max(np.abs(found - np.array(asked["p"])), initial=0.0))
    if difference > _TOLERANCE:
        sys.stderr.write(f"its answers differ by {difference:.2e} in a fresh interpreter\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
