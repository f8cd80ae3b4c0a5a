"""What hints make of columns of labels, with and without a few other labels: no hint leads to a wrong number."""

from __future__ import annotations

import json
import math
import random
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.running import Mrl, Ran

PROPOSED = re.compile(r"use (--[a-z][^;?…]*?)(?: in place of --\S+)?(?=[;?]|$)")


class Family(NamedTuple):
    """Labels as text with how many rows of a thousand have them and what they mean, 1, -1, 0 or a probability.

    `strays` are labels that do not belong to them; `names` says that what they mean is for the user to say.
    """

    labels: dict[str, tuple[int, float]]
    strays: tuple[str, ...]
    names: bool = False


WORDS = ("oops", "", "nan")
SCORES = [step / 8 for step in range(64)]
FAMILIES = {
    "0 and 1": Family({"0": (500, -1), "1": (500, 1)}, ("2", "-1", "7", "0.5", "inf", *WORDS)),
    "mostly 0": Family({"0": (960, -1), "1": (40, 1)}, ("oops", "")),
    "signs": Family({"1": (500, 1), "-1": (500, -1)}, ("2", "0.5", *WORDS)),
    "signs, few ties": Family({"1": (510, 1), "-1": (480, -1), "0": (10, 0)}, ("2", "0.5", *WORDS)),
    "signs, many ties": Family({"1": (400, 1), "-1": (300, -1), "0": (300, 0)}, ("2", "0.5", *WORDS)),
    "1 and 2": Family({"1": (500, 1), "2": (500, -1)}, ("0", "3", "-1", *WORDS)),
    "0, 1 and 2": Family({"0": (400, 1), "1": (200, 0), "2": (400, -1)}, ("3", "7", "-1", *WORDS)),
    "0 and 2, few 1": Family({"0": (495, 1), "1": (10, 0), "2": (495, -1)}, ("7", "oops")),
    "a and b": Family({"a": (500, 1), "b": (500, -1)}, ("2", "0", "x", *WORDS)),
    "A, B, few ties": Family({"A": (495, 1), "B": (495, -1), "tie": (10, 0)}, ("2", "x", *WORDS)),
    "A, B, many ties": Family({"A": (400, 1), "B": (300, -1), "tie": (300, 0)}, ("2", "x", *WORDS)),
    "names": Family({"good": (500, 1), "bad": (500, -1)}, ("2", "x", ""), names=True),
    "strengths": Family({str(n): (140, float((n > 0) - (n < 0))) for n in range(-3, 4)}, WORDS),
    "near 1": Family({"1.0000001": (300, 1), "0.9999999": (200, 1), "-0.9999999": (500, -1)}, WORDS),
    "probabilities": Family({f"0.{n}": (100, n / 10) for n in range(1, 10)}, ("2", "-1", "1.5", *WORDS)),
    "booleans": Family({"true": (500, 1), "false": (500, -1)}, ("2", "maybe", "")),
    "255": Family({"1": (500, 1), "255": (500, -1)}, ("2", "7", "-1", *WORDS)),
}


class Data(NamedTuple):
    """A file of rows: its text, the mean loss of the rows that are meant, and the lines of the others."""

    text: str
    mean: float
    strays: set[int]


def data_of(family: Family, stray: str | None, rows: int) -> Data:
    """Return a file of the labels of a family, one of ten rows a stray, or three of more."""
    random.seed(7)
    share = [count for count, _ in family.labels.values()]
    labels = [label for label, (count, _) in family.labels.items() for _ in range(round(count * rows / sum(share)))]
    labels = (labels + list(family.labels) * rows)[:rows]
    random.shuffle(labels)
    places = set() if stray is None else set(random.sample(range(rows), 1 if rows < 20 else 3))
    labels = [stray if place in places and stray is not None else label for place, label in enumerate(labels)]
    scores = list(zip(*(random.choices(SCORES, k=rows) for _ in "12"), strict=True))
    losses = []
    for place, (label, (x1, x2)) in enumerate(zip(labels, scores, strict=True)):
        meant = None if place in places else family.labels[label][1]
        if meant is not None and meant != int(meant):
            losses.append(meant * max(0.0, x2 - x1) + (1 - meant) * max(0.0, x1 - x2))
        elif meant:
            losses.append(max(0.0, -meant * (x1 - x2)))
    lines = [f"{x1},{x2},{label}" for (x1, x2), label in zip(scores, labels, strict=True)]
    return Data("\n".join(["x1,x2,y", *lines, ""]), math.fsum(losses) / len(losses), {place + 2 for place in places})


def error_of(ran: Ran) -> dict[str, Any]:
    """Return the error of a run with `--format json`."""
    error: dict[str, Any] = json.loads(ran.err)["error"]
    return error


class Outcomes:
    """What command lines come to on one file: each is run once."""

    def __init__(self, mrl: Mrl, data: Data) -> None:
        self._mrl, self._data = mrl, data
        self._known: dict[tuple[str, ...], tuple[Ran, str]] = {}

    def of(self, *words: str) -> str:
        """Return whether one gives the number that is meant, all rows or but for the strays, or another."""
        return self._found(words)[1]

    def hint_of(self, *words: str) -> str:
        """Return the hint of its error, empty where there is none."""
        ran = self._found(words)[0]
        return (error_of(ran)["hint"] or "") if ran.code else ""

    def _found(self, words: tuple[str, ...]) -> tuple[Ran, str]:
        if words not in self._known:
            ran = self._mrl(*words, "-f", "json", as_it_is=True)
            self._known[words] = ran, self._outcome(words, ran)
        return self._known[words]

    def _outcome(self, words: tuple[str, ...], ran: Ran) -> str:
        if ran.code == 3 and {problem["row"] for problem in error_of(ran)["problems"]} <= self._data.strays:
            ran = self._mrl(*words, "--on-error", "skip", "-f", "json")
        if ran.code:
            return "refused"
        is_meant = math.isclose(ran.result["mean"], self._data.mean, rel_tol=1e-6, abs_tol=1e-6)
        return "right" if is_meant else "wrong"


def cases() -> Iterator[Any]:
    """Yield every family with no stray, and each of its own: few rows without one and more with the first are quick.

    Of the further strays every other is one of 1,000 rows, the others of 4,000.
    """
    for name, family in FAMILIES.items():
        for place, stray in enumerate((None, *family.strays)):
            for rows in (10, 1000, 4000) if place < 2 else (10, 4000 if place % 2 else 1000):
                marks = [] if (place, rows) in ((0, 10), (1, 1000)) else [pytest.mark.slow]
                yield pytest.param(family, stray, rows, id=f"{name}, {stray!r}, {rows}", marks=marks)


@pytest.mark.parametrize(("family", "stray", "rows"), list(cases()))
def test_what_hints_propose_gives_the_number_that_is_meant(
    family: Family, stray: str | None, rows: int, mrl: Mrl
) -> None:
    data = data_of(family, stray, rows)
    Path("p.csv").write_text(data.text)
    found, plain = Outcomes(mrl, data), ("compute", "p.csv")
    assert found.of(*plain) != "wrong"
    hint = found.hint_of(*plain)
    proposed = [shlex.split(options) for options in PROPOSED.findall(hint)]
    if "with --on-error skip" in hint:
        proposed.append(["--on-error", "skip"])
    if "=…" in hint:
        meanings = ",".join(f"{label}={meant}" for label, (_, meant) in family.labels.items())
        proposed.append(["--label-map", meanings])
    outcomes = [found.of(*plain, *options) for options in proposed]
    assert "right" in outcomes or not outcomes, hint
    assert len(outcomes) > 1 or "wrong" not in outcomes, hint
    command = mrl("check", "p.csv", "-f", "json").result["inputs"][0]["command"]
    assert command is None or found.of(*shlex.split(command)[1:]) == "right", command


@pytest.mark.parametrize(("rows", "stray"), [(("true", "false"), "0"), (("0", "1"), "false"), (("1", "0"), "true")])
def test_labels_that_one_rule_reads_together_are_no_slips(rows: tuple[str, str], stray: str, mrl: Mrl) -> None:
    labels = [*rows * 20, stray, *rows]
    Path("p.csv").write_text("x1,x2,y\n" + "".join(f"{place},7,{label}\n" for place, label in enumerate(labels)))
    hint = error_of(mrl("compute", "p.csv", "-f", "json", as_it_is=True))["hint"]
    assert "--on-error" not in hint
    assert mrl("compute", "p.csv", "--labels", "01", "-f", "json").result["pairs"] == len(labels)


def test_a_word_that_a_rule_reads_is_named_as_it_is(mrl: Mrl) -> None:
    labels = [*"abababab", "true"]
    Path("p.csv").write_text("x1,x2,y\n" + "".join(f"{place},7,{label}\n" for place, label in enumerate(labels)))
    error = error_of(mrl("compute", "p.csv", "--labels", "01", "-f", "json", as_it_is=True))
    assert "use --label-map a=1,b=-1 in place of --labels; y is true in 1 row: correct it" in error["hint"]


def test_one_label_of_its_kind_is_asked_about_as_a_slip_under_any(mrl: Mrl) -> None:
    labels = ["0", "1"] * 30 + ["2"]
    Path("p.csv").write_text("x1,x2,y\n" + "".join(f"{place},7,{label}\n" for place, label in enumerate(labels)))
    (note,) = [line for line in mrl("compute", "p.csv", "--labels", "any").err.splitlines() if "labels are" in line]
    assert "Is 2 in 1 pair a slip? Leave out --labels to see where" in note
    assert "--label-map" not in note


def test_why_many_rows_are_left_out_is_said_and_what_reads_them(mrl: Mrl) -> None:
    labels = ["0", "1"] * 30
    Path("p.csv").write_text("x1,x2,y\n" + "".join(f"{place},7,{label}\n" for place, label in enumerate(labels)))
    ran = mrl("compute", "p.csv", "--on-error", "skip", "-f", "json")
    note = "30 times: label not ±1 (line 2: y is 0); labels are 0 and 1 here? use --labels 01"
    assert f"note: {note}\n" in ran.err
    assert note in ran.result["notes"]
    Path("p.csv").write_text("x1,x2,y\n" + "1,2,1\n1,2,-1\n" * 190 + "1,2,0\n" * 20)
    assert "times:" not in mrl("compute", "p.csv", "--on-error", "skip").err
