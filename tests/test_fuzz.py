"""The fuzzing programs: their slow reader is right by hand-worked texts, and a few of their cases come out right."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from mrl_cli.inputs.delimited import DELIMITERS
from tests import slow_reader
from tests.decimals import KINDS
from tests.each import each
from tests.fuzz_files import MAKERS, case_of
from tests.running import run_inside
from tests.slow_reader import NoOpinionError, delimited, json_lines, number_of

PAIR = (1.0, 3.0, 1.0)


@each(
    ("data", "pairs", "bad"),
    [
        (b"x1,x2,y\n1,3,1\n", [PAIR], []),
        (b"\xef\xbb\xbfy;x2;x1;t\r\n1;3;1;a\r\n\r\n0;3;1;a\r\n", [PAIR], [4]),
        (b'x1,x2,y,t\r"1",3,1,"a\rb, ""c"""\r1,3,1\r1,"3"0,1,\r', [PAIR], [4, 5]),
        (b"x1,x2,y\n1,3,1e0\n1_0,3,1\n1,1e309,1\n1,9007199254740993,1\n,3,1\n\xe9,3,1\n", [PAIR], [3, 4, 5, 6, 7]),
    ],
)
def test_slow_reader_reads_delimited_text(data: bytes, pairs: list[tuple[float, ...]], bad: list[int]) -> None:
    held = delimited(data)
    assert (held.pairs, held.bad) == (pairs, bad)


def test_slow_reader_reads_lines_of_json() -> None:
    lines = [
        b'{"x1": 1, "x2": "3", "y": [1]}',
        b"",
        b'{"x1": 1, "x1": 1, "x2": 3, "y": 1}',
        b"null",
        b'{"x1": 1, "y": 1}',
    ]
    held = json_lines(b"\n".join(lines))
    assert (held.pairs, held.bad, held.losses) == ([PAIR], [3, 4, 5], [2.0])


def test_slow_reader_has_no_opinion_of_what_it_does_not_know() -> None:
    for data in (b"", b"a,b\n1,2\n", b'x1,x2,y\n1,3,"1\n'):
        with pytest.raises(NoOpinionError):
            delimited(data)


def test_slow_reader_rounds_as_python_does() -> None:
    random = Random(3)
    for kind in KINDS:
        for text in (kind(random) for _ in range(20)):
            number, is_integer = number_of(text), set(text) <= set("+-0123456789")
            exact = float(text) if not is_integer or Decimal(text) == Decimal(float(text)) else None
            assert number == (None if exact in (float("inf"), float("-inf")) else exact), text


def test_cases_are_the_same_each_time() -> None:
    for kind in MAKERS:
        assert case_of(Random(5), kind) == case_of(Random(5), kind)
    assert slow_reader.DELIMITERS == DELIMITERS


@each(
    "line",
    [
        ("rank", "p.csv", "--memory", "9" * 400),
        ("rank", "p.csv", "--memory", "9" * 300),
        ("compute", "p.csv", "--label-map", " " * 99 + "=1"),
    ],
)
def test_lines_that_were_findings(line: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.csv").write_text("x1,x2,y\n1,3,1\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        ran = run_inside(line, capfd)
    assert ran.code == 2
    assert ran.err.startswith("error: ")


@pytest.mark.slow
def test_some_cases_of_each_kind_come_out_right() -> None:
    call = [sys.executable, "-m", "tests.fuzz", "--work", "77", str(6 * len(MAKERS)), "--kinds", *MAKERS]
    ran = subprocess.run(call, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
