"""The page of proofs names every line, and tests that exist."""

from __future__ import annotations

import ast
import re
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROW = re.compile(r"^\| ([DLWNA]\d+|M-\d\d) \|.*\| (.+) \|$", re.MULTILINE)
LINES = {
    *(f"D{n}" for n in range(1, 12)), *(f"L{n}" for n in range(1, 7)), *(f"W{n}" for n in range(1, 10)),
    *(f"N{n}" for n in range(1, 4)), *(f"A{n}" for n in range(1, 7)), *(f"M-{n:02}" for n in range(1, 15)),
}  # fmt: skip


@lru_cache
def _functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_line_of_the_lists_has_tests_that_exist() -> None:
    rows = ROW.findall((ROOT / "docs" / "proofs.md").read_text(encoding="utf-8"))
    assert {line for line, _ in rows} == LINES
    for line, told in rows:
        named = re.findall(r"`(tests/[^`]+)`", told)
        assert named, line
        for one in named:
            path, _, function = one.partition("::")
            assert (ROOT / path).exists(), one
            assert not function or function in _functions(ROOT / path), one
