"""Tables for people: goldens of every command, what fits, what is left out, and which digits are seen."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mrl_cli import render as renderers
from mrl_cli.commands import command_names
from mrl_cli.render import render
from mrl_cli.render.aligned import aligned
from mrl_cli.render.colors import painted
from mrl_cli.render.terminal import Screen
from mrl_cli.reports.base import GroupRows, Line, Report, Table
from mrl_cli.reports.cells import Bounds, Share, Verdict, full_text, short_text
from tests.each import each
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.reports.cells import Cell

ROOT = Path(__file__).parent.parent
GOLDEN = Path(__file__).parent / "golden" / "tables"
PAIRS = "sample_data/diabetes_pairs.csv"
# A call of each command that prints tables, on sample data.
CALLS = {
    "compute": f"compute {PAIRS} --margin 0.5 --group-by y --confidence 0.95 --calibration",
    "rank": "rank sample_data/lists.csv --margin 0.5 --group-by topic",
    "sweep": f"sweep {PAIRS} --margins 0:1:0.25",
    "compare": f"compare {PAIRS} --x1-b patient1 --x2-b patient2 --margin 0.5 --bootstrap 20 --group-by y",
    "validate": f"validate {PAIRS} --margin 0.5 --expect mean=0.3",
    "check": f"check {PAIRS}",
    "losses": "losses",
}
WITHOUT_TABLES = {"pairs", "report", "completion", "help", "docs", "schema"}
LOOKS = {
    "60": Screen(60),
    "80": Screen(80),
    "120": Screen(120),
    "80-color": Screen(80, color=True),
}
ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def ran_report(call: str, capfd: pytest.CaptureFixture[str]) -> Any:
    """Run a command in the root of the project and return the report that it prints."""
    reports: list[Report] = []

    def kept(report: Report, *_: object) -> list[str]:
        reports.append(report)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(renderers, "rendered", kept)
        ran = run_inside([*call.split(), "-f", "table"], capfd)
    assert ran.code in (0, 1), ran.err
    return reports[0]


def test_every_command_has_a_golden_or_no_table() -> None:
    assert {*command_names()} - WITHOUT_TABLES == CALLS.keys()


@each("name", list(CALLS))
def test_tables_are_the_golden_ones(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    report = ran_report(CALLS[name], capfd)
    for look, screen in LOOKS.items():
        text = render(report, "table", **screen._asdict())
        golden = GOLDEN / f"{name}-{look}.txt"
        if not golden.exists():
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(text, encoding="utf-8")
        assert text == golden.read_text(encoding="utf-8"), golden.name
        assert max(map(len, ESCAPE.sub("", text).splitlines())) <= screen.width
    assert ESCAPE.sub("", text).split() == (GOLDEN / f"{name}-80.txt").read_text(encoding="utf-8").split()
    plain = render(report, "table", width=80, encoding="latin-1")
    assert plain.isascii()
    assert "+--" in plain


# Numbers.


@each(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (0.5, "0.5"),
        (1563.51188598597, "1,563.5119"),
        (2 / 3, "0.6667"),
        (0.00123456, "0.00123"),
        (0.999961, "0.99996"),
        (-0.999961, "-0.99996"),
        (1e-7, "1.00e-07"),
        (1.234e-12, "1.23e-12"),
        (1234567890.123, "1,234,567,890.1"),
        (1.5e300, "1.5000e+300"),
        (math.inf, "Infinity"),
        (math.nan, "undefined"),
    ],
)
def test_a_number_has_the_digits_that_are_read(number: float, text: str) -> None:
    assert short_text(number) == text


def test_no_share_looks_whole_that_is_not() -> None:
    for number in (1e-300, 1e-9, 5e-5, 0.49, 1 - 1e-5, 1 - 2**-53):
        assert float(short_text(number, 4)) not in (0, 1)


@pytest.mark.parametrize("is_full", [False, True])
def test_decimal_points_stand_below_another(is_full: bool) -> None:
    cells: list[Cell] = [1563.5118859, 0.25, 7, Share(3, 4), None, -0.00123, math.nan, 123456]
    texts = aligned(cells, is_full=is_full)
    assert len({*map(len, texts)}) == 1
    ends = {re.search(r"[\d,]+", text).end() for text in texts if re.search(r"\d", text)}  # type: ignore[union-attr]
    assert len(ends) == 1
    assert [text.split() for text in texts[2:5]] == [["7"], ["3", "75.0%"], []]


def test_full_numbers_read_back() -> None:
    for number in (1563.5118859859697, 1 / 3, 1e-300, 2.5e20, -123456.789):
        assert float(full_text(number).replace(",", "")) == number
    assert full_text(1234.5) == "1,234.5"
    assert aligned([Bounds(0.07, 0.13499)]) == ["0.0700 to 0.1350"]
    assert full_text(Bounds(math.nan, math.nan)) == "undefined"


# What fits.


class Small(Report):
    """A report of the blocks that it is given."""

    def blocks(self) -> list[Table | Line]:
        return list(self.given)


def shown(*blocks: Table | Line, **screen: Any) -> list[str]:
    return render(Small(given=blocks), "table", **screen).splitlines()


WIDE = Table(
    ["group", "value", "mean_low", "mean_high", "sum"],
    [["a b", 0.123456, 0.1, 0.2, 123456.7], ["c", 12.5, 0.3, 0.4, 1.0]],
    "by group",
    numbers=4,
    total=["total", 1.5, 0.1, 0.4, 123457.7],
    bounds={"value": ("mean_low", "mean_high")},
)


@each("width", [24, 30, 40, 44, 50, 60, 80])
def test_columns_are_left_out_by_name_and_no_digit_is_lost(width: int) -> None:
    lines = shown(WIDE, width=width)
    head = lines[2]
    has_bounds = "value (low to high)" in head
    assert has_bounds == (width >= 40)
    names = [name for name in WIDE.names if name in head or (has_bounds and name.startswith("mean_"))]
    left_out = [name for name in ("sum", "mean_low", "mean_high") if name not in names]
    note = " ".join(lines[lines.index(next(line for line in lines if "╰" in line)) + 1 :])
    count = f"and {len(left_out)} column{'s' * (len(left_out) != 1)}: {', '.join(left_out)} (-f csv has all)"
    assert note == (count if left_out else "")
    table = [line for line in lines if "│" in line]
    assert len(table) == 4  # no row is folded
    assert all(len(line) <= width for line in lines)
    assert "0.1235" in table[1]
    assert ("0.1235 (0.1000 to 0.2000)" in table[1]) == has_bounds
    assert table[3].startswith("│ total")
    assert lines[lines.index(table[3]) - 1].startswith("├")


def test_the_interval_of_one_column_leaves_out_no_other_with_an_interval() -> None:
    two = Table(
        ["group", "value", "v_low", "v_high", "pairs", "accuracy", "a_low", "a_high", "sum"],
        [["a", 0.5, 0.25, 0.75, 100, 0.5, 0.4, 0.6, 7.0]],
        numbers=8,
        bounds={"accuracy": ("a_low", "a_high"), "value": ("v_low", "v_high")},
    )
    heads = {width: shown(two, width=width)[1] for width in (40, 60, 80)}
    assert [name for name in ("value", "pairs", "accuracy", "sum") if name in heads[40]] == [
        "value",
        "pairs",
        "accuracy",
    ]
    assert "accuracy (low to high)" in heads[60]
    assert "value (low to high)" not in heads[60]
    assert "value (low to high)" in heads[80]


def test_full_has_all_digits_in_as_many_columns_as_fit() -> None:
    lines = shown(WIDE, width=120, is_full=True)
    assert "0.123456" in lines[4]
    assert "123,456.7" in lines[4]


def test_texts_fold_at_words_and_numbers_do_not() -> None:
    table = Table(["name", "note", "n"], [["some_long_name", "one two three four five " * 4, 1234.5]], numbers=1)
    lines = shown(table, width=46)
    assert sum("1,234.5" in line for line in lines) == 1
    assert "some_long_name" in "".join(lines)
    assert re.findall(r"one|two|three|four|five", "".join(lines)) == ["one", "two", "three", "four", "five"] * 4


def rows_of(count: int) -> GroupRows:
    return GroupRows(
        range(count), lambda place: [f"g{place}", place / 100], lambda: [place % 50 for place in range(count)], "x"
    )


@pytest.mark.parametrize(
    ("count", "screen", "seen"),
    [
        (100, {"height": 24}, 20),
        (100, {"height": 24, "is_full": True}, 100),
        (100, {}, 100),
        (19, {"height": 24}, 19),
        (21, {"height": 40}, 21),
    ],
)
def test_the_worst_groups_are_shown_where_not_all_fit(count: int, screen: dict[str, Any], seen: int) -> None:
    lines = shown(Table(["g", "n"], rows_of(count), numbers=1, total=["total", 1.0]), **screen)
    groups = [match[1] for line in lines if (match := re.match(r"│ g(\d+)", line))]
    assert len(groups) == seen
    note = f"and {count - seen} more groups: these are the {seen} of x (--full shows all)"
    assert (note in lines) == (seen < count)
    if seen < count:
        assert groups[:4] == ["49", "99", "48", "98"]
    assert any(line.startswith("│ total") for line in lines)


def test_undefined_groups_are_no_worst_ones() -> None:
    rows = GroupRows("abc", lambda name: [name], lambda: [math.nan, 1.0, 2.0], "x")
    assert rows.worst(3) == [["c"], ["b"], ["a"]]
    assert [*rows] == [["a"], ["b"], ["c"]]


def test_a_kept_column_is_the_last_to_be_left_out() -> None:
    table = Table(["", "a", "b", "gap"], [["x", 0.5, 0.25, Bounds(0.125, 0.375)]], numbers=3, kept="gap")
    heads = [next(line for line in shown(table, width=width) if "gap" in line) for width in (40, 34, 26)]
    assert [re.findall(r"\w+", head) for head in heads] == [["a", "b", "gap"], ["a", "gap"], ["gap"]]


def test_a_key_within_another_stands_below_it_where_the_screen_is_narrow() -> None:
    rows = [["mean", 0.5], [], ["difference_quantiles.p05", 0.25], ["difference_quantiles.p95", 0.75]]
    table = Table(("key", "value"), rows, numbers=1, is_summary=True)
    narrow, wide = (" ".join(shown(table, width=width)) for width in (34, 80))
    assert re.search(r"│ difference_quantiles │ +│ │  p05 +│ 0.25 │ │  p95 +│ 0.75 │", narrow)
    assert "│ difference_quantiles.p05 │ 0.25 │" in wide


def test_a_name_that_is_too_long_is_broken_after_an_underscore() -> None:
    rows = [("calibration.expected_calibration_error", 0.0241), ("x1_mean", 1563.5119)]
    lines = shown(Table(("key", "value"), rows, numbers=1, is_summary=True), width=34)
    text = "\n".join(lines)
    assert re.search(r"│  expected_ +│ +0\.0241 │\n│   calibration_ +│ +│\n│   error", text), text
    assert max(map(len, lines)) <= 34


def test_a_sentence_folds_and_a_command_does_not() -> None:
    text = "mrl compute " + " ".join(f"file{place}.csv" for place in range(20))
    assert shown(Line(text, "command")) == [text]
    folded = shown(Line(text, "finding"), width=40)
    assert len(folded) > 3
    assert " ".join(folded) == text


def test_verdicts_have_colours() -> None:
    table = Table(["check", "verdict"], [["a", Verdict("passed", True)], ["b", Verdict("failed", False)]])
    (good, bad) = (line for line in shown(table, color=True) if "passed" in line or "failed" in line)
    assert painted("passed", "good").removesuffix("\x1b[0m") in good
    assert painted("failed", "bad").removesuffix("\x1b[0m") in bad


# What is found.


@pytest.fixture
def finding(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Returns the first sentence of a command on rows of a file, data.csv."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def found(call: str, rows: str) -> str:
        (tmp_path / "data.csv").write_text(rows.replace(" ", "\n") + "\n")
        ran: Ran = run_inside([*call.split(), "-f", "table"], capfd)
        assert ran.code in (0, 1), ran.err
        return ran.out.splitlines()[0]

    return found


THREE = "x1,x2,y,w,m,g 2,1,1,1,1,a 0,1,1,2,1,b 1,1,1,1,0.5,b"


@each(
    ("call", "sentence"),
    [
        ("compute data.csv", "33.3% of 3 pairs are ranked right, 33.3% are ties; mean loss 0.3333 at margin 0."),
        ("compute data.csv --reduction sum --margin 1", "; sum of the losses 3 at margin 1."),
        (
            "compute data.csv --weight w",
            "33.3% of 3 pairs (25.0% by weight) are ranked right, 33.3% are ties; weighted mean loss 0.5 at",
        ),
        ("compute data.csv --margin-column m", "; mean loss 0.8333 at the margins of column m."),
        ("compute data.csv --loss ipo", "; mean loss 0.9167."),
        ("compute data.csv --loss logistic", "; mean loss 0.7732."),  # which has a margin where one is named
        ("compute data.csv --loss logistic --margin 1", "; mean loss 1.3778 at margin 1."),
        ("compute data.csv --group-by g", "; the lowest of 2 groups is b with 0.0%."),
        (
            "sweep data.csv --margins 1,0",
            "0 to 1 the mean loss goes from 0.3333 to 1, and the share of 3 pairs with a loss from 33.3% to 66.7%.",
        ),
        ("sweep data.csv --margins 1", "At margin 1 the mean loss is 1, and the share of 3 pairs with a loss 66.7%."),
        ("validate data.csv", "Every check passed: 6 checks of 3 pairs."),
        ("validate data.csv --expect mean=0.5", "1 of 7 checks failed: "),
        ("check data.csv", "data.csv holds pairs: 3 rows of csv."),
    ],
)
def test_a_sentence_says_what_is_found(call: str, sentence: str, finding: Any) -> None:
    assert sentence in finding(call, THREE)


def test_a_table_says_what_weights_count_in(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "data.csv"
    path.write_text(THREE.replace(" ", "\n") + "\n")
    last = "\n".join(run_inside(["compute", path, "-f", "table", "--weight", "w"], capfd).out.splitlines()[-2:])
    assert last == (
        "Weights count in the mean and sum of the loss and in accuracy_weighted; counts,\n"
        "min, max, accuracy and means of scores are without them."
    )
    assert "Weights" not in run_inside(["compute", path, "-f", "table"], capfd).out


@each(
    ("rows", "sentence"),
    [
        (
            "q,label,score a,1,2 a,0,1 b,1,0 b,0,3",
            "50.0% of 2 pairs in 2 queries are ranked right; mean loss 1.5 at margin 0.",
        ),
        ("q,label,score a,1,2 a,0,1", "100.0% of 1 pair in 1 query is ranked right; mean loss 0 at margin 0."),
    ],
)
def test_a_sentence_says_what_lists_come_to(rows: str, sentence: str, finding: Any) -> None:
    assert finding("rank data.csv --query q", rows) == sentence


def test_the_lowest_group_is_the_lowest_one(finding: Any) -> None:
    """Groups are held in another order than they are shown in."""
    rows = ["x1,x2,y,g", *(f"{int(group != 'k' or row)},0.5,1,{group}" for group in "zkab" for row in range(2))]
    assert finding("compute data.csv --group-by g", " ".join(rows)).endswith(
        "; the lowest of 4 groups is k with 50.0%."
    )


def test_what_is_the_same_is_said_once(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def keys(rows: Sequence[str]) -> list[str]:
        (tmp_path / "data.csv").write_text("\n".join(["x1,x2,y", *rows, ""]))
        out = run_inside(["compute", str(tmp_path / "data.csv"), "-f", "markdown"], capfd).out
        return re.findall(r"^\| (\w+) \|", out, re.MULTILINE)

    halves = {"accuracy_half", "accuracy_without_ties"}
    assert halves.isdisjoint(keys(["2,1,1", "1,2,1"]))
    assert halves <= {*keys(["2,1,1", "1,1,1"])}
    assert "value" not in keys(["2,1,1"])


def test_the_sentence_is_for_people_alone(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for output_format in ("json", "csv", "tsv", "jsonl"):
        assert "ranked right" not in run_inside(["compute", PAIRS, "-f", output_format], capfd).out


def test_full_goes_with_tables(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    run_inside(["compute", PAIRS, "--full", "-f", "json"], capfd).must_fail(2, "--full goes with a table")
    mean = json.loads(run_inside(["compute", PAIRS, "-f", "json"], capfd).out)["mean"]
    assert repr(mean) in run_inside(["compute", PAIRS, "--full", "-f", "table"], capfd).out
