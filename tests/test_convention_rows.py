"""The table of conventions: each command does what its row says."""

from __future__ import annotations

import csv
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mrl_cli.commands import docs
from tests.copies import run_copy
from tests.readme_commands import missing_tool
from tests.written_pages import MANUAL

pytestmark = pytest.mark.slow

# What needs no shell, and nothing of Python's own, which reads LC_ALL as it starts.
ALONE = re.compile(r"(?!LC_ALL)(?:[A-Z_]+=\S+ )*mrl [^|;'\"$<>&*?`]*")
ROW = re.compile(r"^\| (\d+) \| .*\| `(.*)` \|$", re.MULTILINE)
LEFT_OUT = {
    40: "installs; .ci/run does that",
    42: "takes half a minute; mypy checks calls with assert_type in the tests",
}
# Of each row: the exit code, and what stdout and stderr, in this order, hold.
SHOWN: dict[int, tuple[int, str]] = {
    1: (0, r"Input:(?s:.*Columns:.*Loss:.*Groups and intervals:.*Output:.*Checks:.*Running:)"),
    2: (0, r"\A(?:.*\n){20,60}.*--help prints all \d+ options"),
    3: (0, r"Examples:\n  mrl rank .*\n  mrl rank .*\n  mrl rank "),
    4: (0, r"MRL_VALIDATE_\w+.*\[default: "),
    5: (2, r"\Aerror: .*Did you mean compute\?"),
    6: (0, r"\AUsage: mrl compute "),
    7: (0, r"\| 0 \|(?s:.*)\| 130, 141 \|"),
    8: (0, r"\Avalue\tpairs\t.*\n\S+\t60\t"),
    9: (0, r"\A141\n\Z"),
    10: (130, r"\A\Z"),
    11: (0, r"\x1b\[1m"),
    12: (0, r"\x1b\[1m"),
    13: (0, r"\A[^\x1b]*margin_ranking[^\x1b]*\Z"),
    14: (1, r"\x1b\[38;5;160mfailed *\x1b"),
    15: (0, r"\Amrl \S+ \(CSV reader: \w+\)\n\Z"),
    16: (0, r"_MRL_COMPLETE=bash_complete"),
    17: (0, r"mrl-compute - (?s:.*)SYNOPSIS"),
    18: (0, r"settings: margin in margin\.toml\n"),
    19: (2, r"Invalid value for MRL_COMPUTE_MARGIN: 'x'"),
    20: (0, r"\n60 pairs of 1 input in [\d.]+ s "),
    21: (0, r"reading stdin"),
    22: (0, r'"\$schema": "https://json-schema\.org/draft/2020-12/schema"'),
    23: (0, r'"difference_sd": null,(?s:.*)"difference_sd": "NaN"'),
    24: (2, r'\A\{"error": \{"message": "no such file: nothing\.csv", .*"exit_code": 2'),
    25: (0, r"\A[0-9a-f]{32}  -\n\Z"),
    26: (2, r"--output pairs\.csv is an input"),
    27: (0, r"\bmrl compute pairs\.csv\b"),
    28: (0, r"\A.*Usage:.*\n\s*\n  Compute the loss[^\n]*\n+\Z"),
    29: (0, r"and \d columns: accuracy_low(?s:.*)\(-f csv has"),
    30: (0, r"mean +│ +\d+\.\d{4} +│(?s:.*)sum +│ +\d+\.\d{4} +│"),
    31: (0, r"pairs +│ 2,000 "),
    32: (0, r"\Ag,value,pairs,.*\ng,.*\nh,.*\n\Z"),
    33: (0, r"\Aa\tb\tvalue(?:.*\n){7}\Z"),
    34: (2, r"--margin is given more than once"),
    35: (0, r"\Ag,value,pairs,sum,mean,.*,accuracy_low,accuracy_high"),
    36: (0, r"Hofstätter"),
    37: (3, r"\A[^\x1b]*x1 is '\\x1b\[31m'[^\x1b]*\Z"),
    38: (0, r"\| Windows \| no test has run there"),
    39: (0, r"\Aci +Gates in scripts(?s:.*)\nvalidate "),
    41: (0, r"\Amrl "),
    43: (0, r"<svg(?s:.*)<table"),
    44: (0, r"MrlWarning: x1 equals x2 in every pair"),
    45: (0, r"NAME\n +mrl_cli - Ranking losses"),
    46: (0, r"and 40 more groups: these are the 20 of the lowest accuracy"),
    47: (0, r"is(?: not shown to be)? better than"),
    48: (0, r"█|▇|▆|▅|▄"),
    49: (3, r"line 2: x1 is 'oops'(?s:.*)hint: "),
    50: (3, r"table\.xlsx is a zip archive .*\nhint: formats: CSV"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of the table, with `mrl` and `python` in bin and the manual pages in man."""
    rows = [
        {
            "id": f"p{n}",
            "x1": n % 7 / 4,
            "x2": n % 5 / 4,
            "y": 1,
            "a": "ab"[n % 2],
            "b": "uvw"[n % 3],
            "g": "gh"[n > 30],
        }
        for n in range(60)
    ]
    for name, scale in (("pairs.csv", 1), ("a.csv", 1), ("b.csv", 2)):
        with open(tmp_path / name, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows({**row, "x1": row["x1"] * scale} for row in rows)  # type: ignore[operator]
    (tmp_path / "margin.toml").write_text("margin = 0.5\n")
    (tmp_path / "table.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "bin").mkdir()
    for name, words in (("mrl", "-m mrl_cli "), ("python", "")):
        script = tmp_path / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        script.chmod(0o755)
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "man1").symlink_to(MANUAL)
    return tmp_path


def test_every_command_of_the_table_shows_what_it_says(folder: Path) -> None:
    text = Path(docs.FOLDER, "conventions.md").read_text(encoding="utf-8")
    commands = {int(number): command.replace("\\|", "|") for number, command in ROW.findall(text)}
    assert commands.keys() == SHOWN.keys() | LEFT_OUT.keys() == {*range(1, 51)}
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(folder / "pairs.csv"), folder / "pairs.parquet")
    path = os.pathsep.join((str(folder / "bin"), os.environ["PATH"]))
    package = str(Path(__file__).parent.parent)
    kept = {name: value for name, value in os.environ.items() if name not in ("PAGER", "NO_COLOR", "COLUMNS")}
    env = kept | {"PATH": path, "MANPATH": str(folder / "man"), "PYTHONPATH": package}
    wrong = []
    for number, (code, pattern) in SHOWN.items():
        tools = {tool for tool in ("script", "timeout", "man") if re.search(rf"\b{tool} ", commands[number])}
        if missing_tool(commands[number]) or not all(map(shutil.which, tools)):
            continue
        if ALONE.fullmatch(commands[number]):
            words = shlex.split(commands[number])
            place = words.index("mrl")
            ran = run_copy(words[place + 1 :], folder, env | dict(word.split("=", 1) for word in words[:place]))
            ended, shown = ran.code, ran.out + ran.err
        else:
            call = ["bash", "-c", commands[number]]
            done = subprocess.run(call, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            ended, shown = done.returncode, (done.stdout + done.stderr).decode().replace("\r\n", "\n")
        if ended != code or not re.search(pattern, shown):
            wrong.append(f"{number}: {commands[number]}: exit code {ended}\n{shown[:2000]}")
    assert not wrong, "\n\n".join(wrong)
