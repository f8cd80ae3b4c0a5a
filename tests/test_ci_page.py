"""The page on continuous integration: the steps of its action run as written, and its hook does what it says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="which comes with the extra dask")
ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "sample_data"

pytestmark = pytest.mark.slow


def blocks() -> list[dict[str, Any]]:
    page = (ROOT / "mrl_cli" / "docs" / "ci.md").read_text(encoding="utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scores").mkdir()
    shutil.copy(SAMPLES / "rewards.jsonl", tmp_path / "scores")
    shutil.copy(SAMPLES / "diabetes_pairs.csv", tmp_path / "scores")
    starter = tmp_path / "bin" / "mrl"  # this mrl, whatever is installed
    starter.parent.mkdir()
    starter.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mrl_cli "$@"\n')
    starter.chmod(0o755)
    return tmp_path


def run(line: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | env | {"PATH": path, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", line], cwd=folder, env=env, text=True, capture_output=True, check=False
    )


@pytest.mark.parametrize(("conditions", "code"), [(None, 0), ("accuracy<0.9\n", 1), ("pairs<600\nvalue>1\n", 0)])
def test_the_steps_of_the_action_run_as_written(conditions: str | None, code: int, folder: Path) -> None:
    action, workflow, _ = blocks()
    given = workflow["jobs"]["scores"]["steps"][-1]["with"] | ({} if conditions is None else {"fail-if": conditions})
    assert given.keys() <= action["inputs"].keys()
    assert {name for name, one in action["inputs"].items() if one.get("required")} <= given.keys()
    install, compute = action["runs"]["steps"]
    assert install["run"] == 'python -m pip install "$PACKAGE"'
    env = {}
    for name, text in compute["env"].items():
        inner = re.fullmatch(r"\$\{\{ inputs\.(\S+) \}\}", text)
        assert inner is not None
        env[name] = given.get(inner[1], action["inputs"][inner[1]].get("default", ""))
    summary = folder / "summary.md"
    done = run(compute["run"], folder, GITHUB_STEP_SUMMARY=str(summary), **env)
    assert done.returncode == code, done.stderr
    assert "| opposite |" in summary.read_text()
    assert summary.read_text() == done.stdout
    assert ("accuracy<0.9 fails the run" in done.stderr) is bool(code)


def test_the_hook_fails_for_a_file_of_bad_scores(folder: Path) -> None:
    (hook,) = blocks()[-1]["repos"][0]["hooks"]
    names = sorted(
        name for name in ("scores/diabetes_pairs.csv", "scores/rewards.jsonl") if re.search(hook["files"], name)
    )
    assert names == ["scores/diabetes_pairs.csv"]
    assert run(f"{hook['entry']} {shlex.join(names)}", folder).returncode == 0
    (folder / "scores" / "worse.csv").write_text("x1,x2,y\n1,2,1\n")
    done = run(f"{hook['entry']} {shlex.join([*names, 'scores/worse.csv'])}", folder)
    assert (done.returncode, "in 'scores/worse.csv'" in done.stderr) == (1, True)
