"""Pictures on a terminal: they fit, they say what is true, and their numbers are those of the results."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from mrl_cli.render.plots import drawn, merged
from mrl_cli.render.terminal import Screen
from mrl_cli.reports import pictures
from mrl_cli.reports.plots import (
    Curves,
    Distribution,
    Estimate,
    Estimates,
    Plot,
    Quadrants,
    Region,
    Series,
)
from mrl_cli.statistics.intervals import wilson_interval
from tests.each import crossed, mostly_slow
from tests.running import Ran, run_inside

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path(__file__).parent.parent / "sample_data" / "diabetes_pairs.csv"
GOLDEN = Path(__file__).parent / "golden" / "plots"
WIDTHS = (30, 44, 59, 60, 80, 120, 200)
HOSTILE = "[red]\x1b[31m<b>…\u202e" * 9


def some_plots(random: Random) -> list[Plot]:
    """Return a plot of each kind, of numbers of any size, with names that nobody should give."""
    counts = tuple(int(random.choice([0, 1, 7, 10 ** random.randint(1, 9)])) for _ in range(random.randint(1, 128)))
    width = 2.0 ** random.randint(-30, 30)
    start = random.randint(-130, 3) * width
    share = random.random()
    regions = (Region("wrong", share, is_bad=True), Region("right", 1 - share))
    names = (HOSTILE, "b", "")
    rows = tuple(10.0 ** random.randint(-9, 9) * random.random() for _ in range(5))
    shares = tuple(random.random() for _ in range(5))
    estimates = tuple(Estimate(name, random.randint(0, 10**9), share, share / 2, 1.0, share**2) for name in names)
    return [
        Distribution(HOSTILE, "d = y(x1 − x2)", start, width, counts, 3, 0, (0.0,), regions, 2),
        Curves("a", "margin", rows, (Series("mean loss", rows), Series("active share", shares, is_share=True)), 2),
        Estimates("b", HOSTILE, estimates, "● share   ◇ expected", 0.5, share, 17),
        Estimates("no diamonds", "group", estimates[:1], "● share   │ all", 0.0),
        Estimates("of two", "group", estimates[:2], "● gap", -1.0, share / 3, greatest=1.0, figure="a − b"),
        Quadrants("c", (("both right", random.randint(0, 9), False), (HOSTILE, 10**8, True))),
    ]


@pytest.mark.parametrize("width", mostly_slow(WIDTHS, quick=1))
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    for seed in range(12):
        for encoding in ("utf-8", "ascii"):
            text = drawn(some_plots(Random(seed)), Screen(width, encoding=encoding))
            assert max(map(len, text.splitlines())) <= width
            assert "\x1b" not in text
            text.encode(encoding)


@pytest.mark.parametrize(
    "width", [pytest.param(20, marks=pytest.mark.slow), 30, pytest.param(39, marks=pytest.mark.slow)]
)
def test_numbers_stay_beside_their_bars_on_a_narrow_screen(width: int) -> None:
    for seed in range(12):
        for encoding, bars in (("utf-8", "[▏▎▍▌▋▊▉█●]"), ("ascii", "#")):
            for plot in some_plots(Random(seed)):
                how: Any = {"title": ""} | ({"legend": ""} if isinstance(plot, Estimates) else {})
                bare = replace(plot, **how)
                lines = drawn([bare], Screen(width, encoding=encoding)).splitlines()
                assert max(map(len, lines)) <= width
                drawn_at = [line for line in lines if re.search(bars, line)]
                assert [line for line in drawn_at if not re.search(r"\d%?$", line)] == []
                estimates = len(getattr(plot, "estimates", ())) if encoding == "utf-8" else 0
                assert len(drawn_at) >= {Curves: 2, Estimates: estimates}.get(type(plot), 1)


def test_colour_changes_nothing_but_colour() -> None:
    plots = some_plots(Random(1))
    colored = drawn(plots, Screen(80, color=True))
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored).replace(" ", "") == drawn(plots, Screen(80)).replace(" ", "")
    assert {"38;5;166", "38;5;68"} <= set(re.findall(r"38;5;\d+", colored))


@pytest.mark.parametrize("most", [1, 2, 7, 24, 100])
def test_merged_bars_hold_what_they_held(most: int) -> None:
    for seed in range(20):
        plot = some_plots(Random(seed))[0]
        assert isinstance(plot, Distribution)
        wider = merged(plot, most)
        assert len(wider.counts) <= most or len(wider.counts) == 2  # two bars beside 0 stay two
        assert sum(wider.counts) == sum(plot.counts)
        steps = round(wider.width / plot.width)
        offset = round((plot.start - wider.start) / plot.width)
        expected = [0] * len(wider.counts)
        for place, count in enumerate(plot.counts):
            expected[(place + offset) // steps] += count
        assert wider.counts == tuple(expected)
        assert (wider.start / wider.width) % 1 == 0


def test_the_highest_bar_is_full_and_no_bar_is_invisible() -> None:
    plot = Distribution("t", "d", 0.0, 1.0, (1000, 1, 0), 0, 0, (), ())
    lines = drawn([plot], Screen(80)).splitlines()
    bars = [line.partition("│")[2] or line.partition("┤")[2] for line in lines[2:]]
    (first, *_, base) = [bar for bar in bars if "█" in bar]
    cells = len(first)
    assert first == "█" * cells
    assert base.startswith("█" * cells + "▁" * cells)
    assert len(base) == 2 * cells


def picture_of(arguments: list[str], capfd: pytest.CaptureFixture[str], width: int = 80) -> Ran:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        return run_inside([*arguments, "--plot", "always"], capfd)


COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "compute": lambda _: ["compute", str(SAMPLE), "--margin", "0.5", "--group-by", "patient1"],
    "sweep": lambda _: ["sweep", str(SAMPLE), "--margins", "0:2:0.25"],
    "compare": lambda folder: ["compare", str(two_models(folder)), "--x1-b", "a", "--x2-b", "b"],
    "rank": lambda folder: ["rank", str(lists(folder))],
}


def two_models(folder: Path) -> Path:
    random, rows = Random(5), ["x1,x2,y,a,b"]
    for _ in range(400):
        x1, x2, y = random.gauss(0, 1), random.gauss(0, 1), random.choice([1, -1])
        rows.append(f"{x1 + y},{x2},{y},{x1 + 0.3 * y},{x2}")
    (folder / "two.csv").write_text("\n".join([*rows, ""]))
    return folder / "two.csv"


def lists(folder: Path) -> Path:
    random, rows = Random(5), ["query,label,score"]
    for query in range(60):
        rows += [f"{query},{label},{random.gauss(label, 1.5)}" for label in (0, 1, 1, 2)]
    (folder / "lists.csv").write_text("\n".join([*rows, ""]))
    return folder / "lists.csv"


@pytest.mark.parametrize(
    ("name", "look"),
    crossed(COMMANDS, ["60 plain", "80 ascii", "80 color", "80 plain", "120 plain", "200 plain"]),
)
def test_pictures_are_the_golden_ones(
    name: str, look: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[str] = []

    def kept(plots: Any, screen: Screen) -> str:
        how: Any = {"color": "color" in look, "encoding": "ascii" if "ascii" in look else "utf-8"}
        pieces.append(drawn(plots, screen._replace(**how)))
        return pieces[-1]

    monkeypatch.setattr("mrl_cli.render.plots.drawn", kept)
    assert picture_of(COMMANDS[name](tmp_path), capfd, int(look.split(maxsplit=1)[0])).code == 0
    golden = GOLDEN / f"{name} {look}.txt".replace(" ", "-")
    if not golden.exists():
        golden.write_text(pieces[0], encoding="utf-8")
        pytest.fail(f"{golden.name} was made anew: look at it")
    assert pieces == [golden.read_text(encoding="utf-8")]


@pytest.mark.slow
def test_numbers_are_those_of_the_results(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["compute", str(SAMPLE), "--margin", "0.5", "--calibration"]
    text = picture_of(arguments, capfd).out
    record = json.loads(run_inside([*arguments, "-f", "json"], capfd).out)
    assert f"{record['accuracy']:.1%} of 5,000 pairs are ranked right" in text
    assert f"{record['accuracy_at_margin']:.1%} by the margin of 0.5 or more" in text
    assert f"wrong {record['wrong'] / 5000:.1%}" in text
    for one in record["calibration"]["bins"]:
        assert f"{one['low']:.2f} to {one['high']:.2f}  {one['pairs']:>5,}  " in text
        assert f"{one['accuracy']:>6.1%}  {one['confidence']:>8.1%}" in text
    margins = [float(line.strip("▸ ").split()[0]) for line in text.splitlines() if line.endswith("%") and "█" in line]
    assert 0.5 in margins
    swept = run_inside(["sweep", str(SAMPLE), "--margins", ",".join(map(str, margins)), "-f", "json"], capfd)
    for point in json.loads(swept.out)["points"]:
        rows = (line for line in text.splitlines() if "█" in line and line.endswith("%"))
        line = next(line for line in rows if line.strip("▸ ").startswith(f"{point['margin']:g} "))
        assert f" {point['mean']:.4f} " in line
        assert line.endswith(f" {point['active_share']:.1%}")


def test_bars_are_the_counts(capfd: pytest.CaptureFixture[str]) -> None:
    rows = np.genfromtxt(SAMPLE, delimiter=",", names=True)
    differences = rows["y"] * (rows["x1"] - rows["x2"])
    text = picture_of(["compute", str(SAMPLE)], capfd, 50).out
    bars = [line for line in text.splitlines() if " to " in line and "█" in line and "%" not in line]
    assert len(bars) > 10
    for line in bars:
        low, _, rest = line.strip().replace("−", "-").partition(" to ")
        high, *_, count = rest.split()
        inside = (differences >= float(low)) & (differences < float(high))
        assert int(count.replace(",", "")) == int(inside.sum())


def test_models_are_compared_by_group(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    how = [*COMMANDS["compare"](tmp_path), "--group-by", "y"]
    record = run_inside([*how, "-f", "json"], capfd).result
    whole = record["accuracy_difference"]["mean"]
    lines = picture_of([*how, "-f", "table"], capfd, 120).out.splitlines()
    head = next(place for place, line in enumerate(lines) if line.endswith("  a − b"))
    groups = sorted(record["groups"], key=lambda group: group["accuracy_difference"]["mean"])
    assert [group["group"] for group in groups] in (["1", "-1"], ["-1", "1"])
    for group, line in zip(groups, lines[head + 1 :], strict=False):
        gap = group["accuracy_difference"]["mean"]
        assert line.split()[:2] == [group["group"], f"{group['pairs']:,}"]
        assert line.split()[-1] == f"{gap:.1%}"
        assert (line.index("●") < line.index("│")) == (gap < whole)


def test_nothing_is_drawn_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    plain = run_inside(["compute", str(SAMPLE)], capfd)
    assert run_inside(["compute", str(SAMPLE), "--plot", "auto"], capfd) == plain
    assert run_inside(["compute", str(SAMPLE), "--plot", "never"], capfd) == plain
    for other in (["-f", "json"], ["--raw"], ["--reduction", "none"]):
        refused = run_inside(["compute", str(SAMPLE), "--plot", "always", *other], capfd)
        assert refused.code == 2
        assert "--plot always draws beside a table" in refused.err


@pytest.mark.parametrize(
    ("below", "groups", "is_more"),
    [(0, 10, False), (1, 40, False), (3, 40, False), (5, 40, True), (30, 100, True), (2500, 10**5, False)],
)
def test_groups_below_are_counted_only_beyond_chance(below: int, groups: int, is_more: bool) -> None:
    title = pictures._title_of_groups(below, [1000] * groups, 0.75, 0.95)
    assert title.startswith(f"{below:,} of") is is_more


@pytest.mark.parametrize(
    ("pairs", "whole", "groups"),
    [
        pytest.param(1, 0.9, 400, marks=pytest.mark.slow),
        pytest.param(2, 0.95, 400, marks=pytest.mark.slow),
        (10, 0.99, 200),
        (40, 0.75, 130),
    ],
)
def test_groups_that_chance_alone_makes_are_not_said_to_be_worse(pairs: int, whole: float, groups: int) -> None:
    draws, said = np.random.default_rng(7), 0
    for _ in range(40):
        correct = draws.binomial(pairs, whole, groups)
        share = float(correct.sum() / (pairs * groups))
        below = sum(wilson_interval(right, pairs, 0.95).high < share for right in correct.tolist())
        said += pictures._title_of_groups(below, [pairs] * groups, share, 0.95).startswith(f"{below:,} of")
    assert said <= 6  # one in twenty, and what chance adds to that


def test_a_model_is_not_said_to_be_better_within_chance() -> None:
    def title(only_a: int, only_b: int) -> str:
        report = type("Report", (), {"pairs": 1000, "a": {"correct": 500 + only_a}})()
        report.mcnemar = {"only_a": only_a, "only_b": only_b}
        return pictures.quadrants(report).title

    assert title(60, 50).startswith("Neither is right more often beyond chance; one alone in 11.0%")
    assert title(5, 0).startswith("Neither is right more often beyond chance")
    assert title(120, 50).startswith("a is right more often, by 7.0 points")
    assert title(50, 120).startswith("b is right more often, by 7.0 points")


def test_scores_are_not_said_to_overstate_within_chance() -> None:
    def title(low: float, high: float, confidence: float) -> str:
        one = {"low": 0.5, "high": 0.6, "pairs": 100, "accuracy": 0.7, "confidence": confidence}
        one |= {"accuracy_low": 0.6, "accuracy_high": 0.8}
        whole = {"expected_calibration_error": 0.1, "temperature": (low + high) / 2, "bins": [one]}
        return pictures.reliability(whole | {"temperature_low": low, "temperature_high": high}).title

    assert title(0.9, 1.1, 0.65).startswith("Scores agree with Bradley-Terry within chance")
    assert title(0.9, 1.1, 0.5).startswith(
        "At a confidence of 0.50 to 0.60, 70.0% are right where Bradley-Terry expects"
    )
    assert title(1.1, 1.9, 0.5).startswith("Overconfident: scores divided by 1.5 would fit best")
    assert title(0.5, 0.9, 0.55).startswith("Underconfident: at a confidence of 0.50 to 0.60, 70.0% are right where")
    assert title(1.1, 1.9, 0.9).startswith("Overconfident: at a confidence of")
    assert title(1.1, 1.9, 0.7).startswith("Overconfident: scores divided by 1.5 would fit best")
    assert title(math.nan, math.nan, 0.7) == "The expected calibration error is 0.100"


@pytest.mark.parametrize(
    ("rows", "margin"),
    crossed(
        ["-1e308,1e308,1\n1,0,1\n1.7e308,0,-1", "0,0,1\n0,0,-1", "1,0,1", "1e-320,0,1\n0,1e-310,-1"],
        ["0.5", "1e-320", "1e300"],
    ),
)
def test_numbers_of_any_size_are_drawn(
    rows: str, margin: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd.csv").write_text(f"x1,x2,y\n{rows}\n")
    for width in (40, 60, 133):
        ran = picture_of(["compute", str(tmp_path / "odd.csv"), "--margin", margin], capfd, width)
        assert ran.code == 0, ran.err
        assert "nan" not in ran.out.partition("are ranked right")[2]


def test_margins_of_a_page_stay_within_the_doubles(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The last edge of bars may be at 2**1024, which is no margin."""
    (tmp_path / "odd.csv").write_text("x1,x2,y\n1.7976931348623157e+308,1.0,1\n")
    ran = run_inside(["report", tmp_path / "odd.csv", "-o", tmp_path / "odd.html"], capfd)
    assert ran.code == 0, ran.err


@pytest.mark.parametrize("scale", [1e-300, 1.0, 2.0**1022])
def test_shares_of_losses_are_those_of_their_sum_even_where_that_overflows(scale: float) -> None:
    losses = tuple(scale * part for part in (1.0, 0.0, 3.0, 2.0, 2.0))
    plot = Distribution("t", "d", 0.0, 1.0, (1, 1, 1, 1, 1), 0, 0, (), (), losses=losses)
    assert plot.loss_shares == [0.125, 0.0, 0.375, 0.25, 0.25]


@pytest.mark.parametrize("losses", [(), (0.0, 0.0), (1.0, math.inf), (math.nan, 1.0)])
def test_what_has_no_shares_shows_none(losses: tuple[float, ...]) -> None:
    assert Distribution("t", "d", 0.0, 1.0, (1, 1), 0, 0, (), (), losses=losses).loss_shares == []
