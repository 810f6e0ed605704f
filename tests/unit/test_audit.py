from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from tests.audit import audit

ROOT = Path(__file__).parents[2]
CLEAN = {"name": "click", "version": "8.5.1", "vulns": []}
BAD = CLEAN | {"vulns": [{"id": "PYSEC-1", "fix_versions": ["9"]}]}


def printing(text: str, code: int = 0) -> list[str]:
    program = f"import sys; print({text!r}); sys.exit({code})"
    return [sys.executable, "-c", program]


@pytest.mark.parametrize(
    ("package", "code", "said"),
    [
        (CLEAN, 0, "1 packages, 0 known"),
        (BAD, 1, "click 8.5.1: PYSEC-1, repaired in 9"),
    ],
)
def test_what_is_known_is_told(
    package: object, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit(printing(json.dumps({"dependencies": [package]}), code)) == code
    assert said in capsys.readouterr().out


def test_a_source_that_cannot_be_reached_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert audit(printing("no route to host", 1)) == 0
    assert audit(["/nowhere/pip-audit"]) == 0
    assert audit([sys.executable, "-c", "import time; time.sleep(60)"], 0.2) == 0
    assert capsys.readouterr().out.count("not audited") == 3


def test_every_dependency_has_an_upper_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    listed = [*project["dependencies"], *(each for some in extras for each in some)]
    assert len(listed) > 10
    assert [each for each in listed if "<" not in each] == []
