"""`mrl report`: every number and every mark against the JSON and brute force, whatever names and files there are."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import math
import re
import shlex
from html.parser import HTMLParser
from importlib import util
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mrl_cli.commands import report as command
from mrl_cli.inputs import text
from mrl_cli.model import Plan
from mrl_cli.reductions.joint import JointCells
from mrl_cli.reductions.worst import WorstOfTask, WorstReduction
from mrl_cli.reports.figures import reported_figures
from mrl_cli.reports.pagepass import page_plan
from tests.each import each, mostly_slow
from tests.running import Mrl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


VOID = {"meta", "link", "rect", "circle", "line", "path", "polygon", "br"}
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "closing": "</style></script></title><img src=x onerror=alert(1)>",
    "quotes": "\"'`&amp;&lt;",
    "emoji": "👩‍🚀 é",
    "right to left": "\u202e\u05d0\u05d1 abc",
    "control": "a\x07\x1b[31mb",
    "braces": "{{ 7 * 7 }}{% raw %}",
    "long": "x" * 10_000,
}


class Element:
    """An element of a page: its tag, attributes, and everything in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag, self.attributes = tag, attributes
        self.children: list[Element | str] = []

    def __iter__(self) -> Iterator[Element]:
        waiting = [self]
        while waiting:
            element = waiting.pop()
            yield element
            waiting += [child for child in reversed(element.children) if isinstance(child, Element)]

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements within of a tag that have these attributes; a class is one of several."""
        given = {name.rstrip("_"): value for name, value in attributes.items()}
        return [
            one
            for one in self
            if one.tag == tag and all(value in one.attributes.get(name, "").split() for name, value in given.items())
        ]

    @property
    def text(self) -> str:
        """All text within."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)


class Parsed(HTMLParser):
    """A page as a tree; every end tag must close the element that is open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]
        self.feed(page)
        self.close()
        assert len(self._open) == 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        assert len(element.attributes) == len(attrs)
        self._open[-1].children.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


class Page:
    """A page that was written: its tree, sections by the names of their tables, and downloads."""

    def __init__(self, source: str) -> None:
        self.source, self.root = source, Parsed(source).root
        self.sections: dict[str, Element] = {}
        self.downloads: dict[str, list[dict[str, str]]] = {}
        for section in self.root.all("section"):
            for link in section.all("a"):
                name = link.attributes["download"].removesuffix(".csv")
                kind, _, data = link.attributes["href"].partition(",")
                assert kind == "data:text/csv;charset=utf-8"
                self.sections[name] = section
                self.downloads[name] = list(csv.DictReader(io.StringIO(unquote(data))))

    def numbers(self, name: str, column: str) -> list[float]:
        """Return the numbers of a column of a table, in full."""
        return [float(row[column]) for row in self.downloads[name]]

    def marks(self, name: str, tag: str, plot: int = 0) -> dict[int, Element]:
        """Return the marks of a plot of a section, by the row that they show."""
        svg = self.sections[name].all("div", class_="plot")[plot]
        return {int(mark.attributes["data-i"]): mark for mark in svg.all(tag) if "data-i" in mark.attributes}


def paged(mrl: Mrl, *args: str, **how: Any) -> Page:
    """Return the page of a run that must have gone well."""
    ran = mrl("report", *args, **how)
    assert ran.code == 0, ran.err
    return Page(ran.out)


def drawn(pairs: int = 400, seed: int = 1) -> dict[str, Any]:
    """Return columns of pairs with ties, groups of many sizes, and texts."""
    random = np.random.default_rng(seed)
    x1, x2 = random.normal(0.3, 1, (2, pairs)).round(2)
    y = random.choice([-1, 1], pairs)
    group = [f"g{int(number)}" for number in random.exponential(8, pairs)]
    return {"x1": x1, "x2": x2, "y": y, "group": group, "prompt": [f"p, {place}" for place in range(pairs)]}


def write_csv(path: Path, columns: dict[str, Any], line_end: str = "\n") -> None:
    """Write columns as CSV, quoted where that is needed."""
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator=line_end)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def distance(columns: dict[str, Any]) -> Any:
    """Return d of each pair."""
    return columns["y"] * (columns["x1"] - columns["x2"])


def attribute(element: Element, name: str) -> float:
    """Return an attribute that is a number."""
    return float(element.attributes[name])


@pytest.mark.slow
def test_bars_are_as_high_as_their_pairs_and_as_their_share_of_the_loss(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", columns := drawn())
    page = paged(mrl, "a.csv", "--margin", "0.5")
    d = distance(columns)
    rows = page.downloads["differences"]
    bars = page.marks("differences", "rect")  # of two bars of a row, the share of the loss is the second
    heights: dict[int, list[Element]] = {}
    for bar in page.sections["differences"].all("rect"):
        heights.setdefault(int(bar.attributes["data-i"]), []).append(bar)
    most = max(int(row["pairs"]) for row in rows)
    total = math.fsum(float(row["loss"]) for row in rows)
    edges = [float(row["d from"]) for row in rows]
    for place, row in enumerate(rows):
        low, high = float(row["d from"]), float(row["d to"])
        is_in = (d >= low) & (d < high) if low >= 0 else (d > low) & (d <= high)
        is_in &= d != 0
        assert int(row["pairs"]) == np.count_nonzero(is_in)
        loss = np.maximum(0.0, 0.5 - d[is_in]).sum()
        assert float(row["loss"]) == pytest.approx(loss, abs=1e-12)
        if int(row["pairs"]):
            bar = heights[place][0]
            assert attribute(bar, "height") == pytest.approx(166 * int(row["pairs"]) / most, abs=0.7)
            assert attribute(bar, "y") + attribute(bar, "height") == pytest.approx(220, abs=0.02)
            along = (low - edges[0]) / (float(rows[-1]["d to"]) - edges[0])
            assert attribute(bar, "x") == pytest.approx(58.4 + along * 610, abs=0.02)
            kind = "f-bad" if high <= 0 else "f-mid" if high <= 0.5 else "f-good"
            assert bar.attributes["class"] == kind
        else:
            assert place not in bars
        if float(row["loss"]):
            assert float(row["share of the loss"]) == float(row["loss"]) / total
            assert len(heights[place]) == 2
    lost = np.sort(np.maximum(0.0, 0.5 - d))[::-1]
    share = float(re.findall(r"comes from about ([\d.]+)%", page.sections["differences"].text)[0]) / 100
    fewest = np.searchsorted(np.cumsum(lost), lost.sum() / 2) + 1
    assert fewest / d.size <= share + 0.0005
    assert share <= fewest / d.size + 0.02  # a cell is a 32nd wide


def test_every_number_is_that_of_the_json(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn())
    how = ["a.csv", "--margin", "0.5", "--group-by", "group"]
    page = paged(mrl, *how)
    record = mrl("compute", *how, "--confidence", "0.95", "--calibration", "-f", "json").result
    strip = [float(one.attributes["value"]) for one in page.root.all("dl")[0].all("data")]
    pairs = record["pairs"]
    wanted = [record["value"], record["accuracy"], record["accuracy_at_margin"], record["active"] / pairs]
    assert strip == [*wanted, record["ties"]]
    groups = sorted(record["groups"], key=lambda group: -group["sum"])
    assert [row["group"] for row in page.downloads["groups"]] == [group["group"] for group in groups]
    for column, key in (("pairs", "pairs"), ("mean loss", "mean"), ("low", "accuracy_low"), ("high", "accuracy_high")):
        assert page.numbers("groups", column) == [group[key] for group in groups], column
    assert page.numbers("groups", "share of the loss") == [group["sum"] / record["sum"] for group in groups]
    bins = record["calibration"]["bins"]
    columns = {"pairs": "pairs", "expected": "confidence", "ranked right": "accuracy", "low": "accuracy_low"}
    for column, key in columns.items():
        assert page.numbers("calibration", column) == [one[key] for one in bins], column
    margins = ",".join(map(repr, page.numbers("margins", "margin")))
    points = mrl("sweep", "a.csv", "--margins", margins, "-f", "json").result["points"]
    assert page.numbers("margins", "mean loss") == [point["mean"] for point in points]
    assert page.numbers("margins", "active share") == [point["active_share"] for point in points]
    shown = dict(zip(*([one.text for one in page.root.all(tag)[-99:]] for tag in ("th", "td")), strict=False))
    assert shown  # all figures and settings stand below
    assert f"{record['difference_mean']!r}" in page.root.all("details")[-1].text


@each("columns", [[], ["--group-by", "group"], ["--weight", "w"]])
def test_figures_of_d_are_those_that_its_cells_hold(mrl: Mrl, tmp_path: Path, columns: list[str]) -> None:
    write_csv(tmp_path / "a.csv", drawn() | {"w": [1.5] * 400})
    page = paged(mrl, "a.csv", "--margin", "0.5", *columns)
    shown = dict(
        zip(*([one.text for one in page.root.all("details")[-1].all(tag)] for tag in ("th", "td")), strict=True)
    )
    record = mrl("compute", "a.csv", "--margin", "0.5", *columns, "-f", "json").result

    further = {"difference_sd", "x1_mean", "x2_mean"} if "--weight" in columns else set()
    of_d = {key: value for key, value in record.items() if key.startswith(("difference_", "x1_", "x2_"))}
    of_d |= {f"difference_quantiles.{name}": value for name, value in of_d.pop("difference_quantiles").items()}
    assert {key for key in of_d if key in shown} == of_d.keys() - {"difference_sd", "x1_mean", "x2_mean"} | further
    assert all(float(shown[key].lstrip("~")) == value for key, value in of_d.items() if key in shown)


def test_groups_of_a_page_have_no_figures_that_were_not_added_up() -> None:
    plan = page_plan(Plan.of(margin=0.5, describes=True), 0, has_models=False)
    keys = [[figure.key for figure in reported_figures(plan, of_groups=of_groups)] for of_groups in (False, True)]
    assert ["difference_mean" in of for of in keys] == [True, False]


def test_a_page_may_be_gated_on_figures_that_it_leaves_out(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn())
    found = mrl("compute", "a.csv", "-f", "json").result["difference_sd"]
    for condition, code in ((f"difference_sd>={found!r}", 1), (f"difference_sd>{found!r}", 0)):
        assert mrl("report", "a.csv", "-o", "a.html", "--fail-if", condition).code == code


@pytest.mark.slow
def test_tables_hold_what_their_downloads_hold(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn())
    page = paged(mrl, "a.csv", "--margin", "0.5", "--group-by", "group")
    assert page.downloads.keys() == {"differences", "margins", "calibration", "groups", "worst-pairs"}
    for name, rows in page.downloads.items():
        table = page.sections[name].all("tbody")[0]
        assert len(table.all("tr")) == len(rows)
        for shown, row in zip(table.all("tr"), rows, strict=True):
            full = [one.attributes["value"] for one in shown.all("data")]
            full += [one.attributes["data-v"] for one in shown.all("td") if "data-v" in one.attributes]
            assert full
            assert set(full) <= set(row.values())


def test_curves_and_dots_stand_where_their_numbers_are(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn())
    page = paged(mrl, "a.csv", "--margin", "0.5", "--group-by", "prompt", "--worst", "0")
    at = page.numbers("margins", "margin")
    for plot, column in enumerate(("mean loss", "active share")):
        values = page.numbers("margins", column)
        top = max(values) if plot == 0 else 1.0
        for place, dot in page.marks("margins", "circle", plot).items():
            assert attribute(dot, "cx") == pytest.approx(50 + at[place] / max(at) * 268, abs=0.02)
            assert attribute(dot, "cy") == pytest.approx(200 - values[place] / top * 166, abs=0.02)
    expected, right = page.numbers("calibration", "expected"), page.numbers("calibration", "ranked right")
    least = min(0.5, *(np.floor(10 * low + 1e-9) / 10 for low in page.numbers("calibration", "low")))
    dots = page.marks("calibration", "circle")
    assert len(dots) == len(expected)
    for place, dot in dots.items():
        assert attribute(dot, "cx") == pytest.approx(50 + (expected[place] - 0.5) / 0.5 * 266, abs=0.02)
        assert attribute(dot, "cy") == pytest.approx(236 - (right[place] - least) / (1 - least) * 212, abs=0.02)
    assert "worst-pairs" not in page.downloads
    funnel = page.marks("groups", "circle")
    accuracy = page.numbers("groups", "accuracy")
    assert len(funnel) == 400
    assert all(attribute(dot, "cy") == pytest.approx(250 - accuracy[place] * 236) for place, dot in funnel.items())


@pytest.mark.slow
def test_groups_below_the_band_are_those_whose_interval_leaves_the_whole_out(mrl: Mrl, tmp_path: Path) -> None:
    columns = drawn(3000)
    columns["group"] = [f"g{place % 40}" for place in range(3000)]
    columns["y"] = np.where(np.arange(3000) % 40 < 5, -1, 1) * np.sign(columns["x1"] - columns["x2"] + 0.005)
    write_csv(tmp_path / "a.csv", columns)
    page = paged(mrl, "a.csv", "--group-by", "group", "--labels", "pm1", "--on-tie", "drop")
    whole = float(page.root.all("dl")[0].all("data")[1].attributes["value"])
    high = page.numbers("groups", "high")
    for place, dot in page.marks("groups", "circle").items():
        assert dot.attributes["class"] == ("f-bad" if high[place] < whole else "f-good")
    below = sum(one < whole for one in high)
    assert below == 5
    assert page.sections["groups"].all("h2")[0].text.startswith("5 of 40 groups are right less often than the whole")
    assert len(page.sections["groups"].all("table")[0].all("tr")) == 41


WAYS = ("a.csv", "crlf.csv", "blank.csv", "quoted.csv", "a.jsonl", "a.parquet", "a.csv.gz", "columns.json", "-")


@pytest.mark.parametrize("way", mostly_slow(WAYS, quick=2))
def test_worst_pairs_are_the_worst_and_named_by_line(
    way: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = drawn(300)
    if way != "quoted.csv":
        columns["prompt"] = [f"p{place}" for place in range(300)]
    monkeypatch.setattr(text, "BLOCK_BYTES", 700)
    path, first, stdin = tmp_path / way, 2, b""
    if way.endswith((".csv", ".gz", "-")):
        write_csv(tmp_path / "a.csv", columns, "\r\n" if way == "crlf.csv" else "\n")
        data = (tmp_path / "a.csv").read_bytes()
        if way == "blank.csv":
            head, _, rest = data.partition(b"\n")
            data, first = head + b"\n\n\n" + rest, 4
        stdin = data
        path.write_bytes(gzip.compress(data) if way.endswith(".gz") else data)
    elif way == "a.jsonl":
        first = 1
        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(record, default=float) + "\n" for record in records))
    elif way == "columns.json":
        first = 1
        path.write_text(json.dumps({name: list(values) for name, values in columns.items()}, default=float))
    else:
        first = 1
        pq.write_table(pa.table(columns), path, row_group_size=70)
    page = paged(mrl, way, "--margin", "0.5", "--worst", "7", "--jobs", "2", stdin=stdin)
    losses = 0.5 - distance(columns)
    wanted = np.argsort(-losses, kind="stable")[:7]
    assert page.numbers("worst-pairs", "loss") == losses[wanted].tolist()
    word = "line" if "line" in page.downloads["worst-pairs"][0] else "row"
    assert page.numbers("worst-pairs", word) == (wanted + first).tolist()
    assert page.numbers("worst-pairs", "x1") == columns["x1"][wanted].tolist()
    assert page.numbers("worst-pairs", "y") == columns["y"][wanted].tolist()
    assert [row["prompt"] for row in page.downloads["worst-pairs"]] == [columns["prompt"][place] for place in wanted]
    assert len(page.sections["worst-pairs"].all("tbody")[0].all("tr")) == 7


def test_worst_pairs_have_their_lines_where_rows_are_left_out(mrl: Mrl, tmp_path: Path) -> None:
    rows = ["0,1,1,a", "oops,1,1,b", "0,9,1,c", "0,0,0,d", "0,5,1,e"]
    (tmp_path / "a.csv").write_text("x1,x2,y,id\n" + "\n".join(rows) + "\n")
    (tmp_path / "b.csv").write_text("x1,x2,y,id\n0,7,1,f\n")
    page = paged(mrl, "a.csv", "b.csv", "--on-error", "skip", "--on-tie", "drop", "--worst", "3")
    found = [(row["file"], row["line"], row["id"]) for row in page.downloads["worst-pairs"]]
    assert found == [("a.csv", "4", "c"), ("b.csv", "2", "f"), ("a.csv", "6", "e")]
    assert "1 row left out for a problem" in page.root.text
    assert "1 row dropped as ties" in page.root.text


def test_a_cell_of_json_is_shown_as_it_is_whatever_stands_below(mrl: Mrl, tmp_path: Path) -> None:
    cells = ["0", "0.5", "true", "2", "1e300", "null"]
    for others in (cells, cells[:2], ["0"]):
        shown = []
        for after in ("", '{"x1": "oops", "x2": 1, "y": 1}\n'):  # rows that are left out: the block is read as a whole
            lines = (f'{{"x1": {place}, "x2": 9, "y": 1, "k": {cell}}}\n' for place, cell in enumerate(others))
            (tmp_path / "a.jsonl").write_text("".join(lines) + after)
            page = paged(mrl, "a.jsonl", "--on-error", "skip")
            shown.append([row["k"] for row in page.downloads["worst-pairs"]])
        assert shown[0] == shown[1] == [{"null": "", "1e300": "1e+300"}.get(cell, cell) for cell in others]


@pytest.mark.parametrize("way", mostly_slow(["plain", "blank", "between", "skipped", "quoted"], quick=3))
def test_worst_pairs_have_their_lines_where_there_is_no_other_column(
    way: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", 200)
    columns = {name: drawn(100)[name] for name in ("x1", "x2", "y")}
    write_csv(tmp_path / "a.csv", columns)
    lines = (tmp_path / "a.csv").read_text().splitlines()
    before = {"blank": ["", "", ""], "skipped": ["1,oops,1"], "quoted": ['"1",2,1']}.get(way, [])
    wanted = np.argsort(-(9 - distance(columns)), kind="stable")[:4]
    after = (wanted == wanted.max()) & (way == "between")
    if way == "between":
        lines.insert(int(wanted.max()) + 1, "")
    (tmp_path / "a.csv").write_text("\n".join([lines[0], *before, *lines[1:]]) + "\n")
    page = paged(mrl, "a.csv", "--margin", "9", "--worst", "4", "--on-error", "skip")
    assert page.numbers("worst-pairs", "line") == (wanted + 2 + len(before) + after).tolist()


def test_worst_pairs_of_lines_and_of_rows_stand_in_one_table(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn(30))
    pq.write_table(pa.table(drawn(30, seed=2)), tmp_path / "b.parquet")
    rows = paged(mrl, "a.csv", "b.parquet", "--margin", "9", "--worst", "60").downloads["worst-pairs"]
    assert sorted(int(row["line or row"]) for row in rows if row["file"] == "a.csv") == list(range(2, 32))
    assert sorted(int(row["line or row"]) for row in rows if row["file"] == "b.parquet") == list(range(1, 31))


def test_worst_pairs_do_not_depend_on_how_batches_are_cut() -> None:
    class Batch:
        """As much of a measured batch as the reduction needs."""

        def __init__(self, losses: Sequence[float]) -> None:
            self.losses = self.differences = np.array(losses)
            self.x1 = self.x2 = self.y = np.zeros(len(losses))
            self.size, self.used, self.rows, self.file = len(losses), None, None, "a.csv"
            self.row_word = "line"
            self.rejected_rows = self.skipped_rows = 0
            self.batch = self.pairs = self

    losses = [1.0, 3.0, 0.0, 3.0, 2.0, np.nan, 3.0, 0.5]
    worst: Any = WorstReduction(4)
    for cut in range(len(losses) + 1):
        state: WorstOfTask = WorstOfTask()
        for part in (losses[:cut], losses[cut:]):
            if part:
                state = worst.add(state, Batch(part))
        assert [pair.place for pair in state.pairs] == [5, 1, 3, 6]


@pytest.mark.parametrize("name", mostly_slow(HOSTILE, quick=1))
def test_hostile_names_are_harmless(name: str, mrl: Mrl, tmp_path: Path) -> None:
    hostile = HOSTILE[name]
    columns = drawn(120)
    columns[f"c{hostile}"] = [f"{hostile}{place % 3}" for place in range(120)]
    file = "".join(c for c in hostile[:60] if c not in "/\x07\x1b") + ".csv"
    write_csv(tmp_path / file, columns)
    write_csv(tmp_path / "b.csv", columns)
    page = paged(mrl, file, "b.csv", "--group-by", f"c{hostile}", "--by-file", "--title", hostile, "--worst", "3")
    tags = {one.tag for one in page.root}
    assert tags.isdisjoint({"img", "iframe", "object"})
    assert len(page.root.all("script")) == len(page.root.all("style")) == 1
    assert not [name for one in page.root for name in one.attributes if name.startswith("on") or name == "style"]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page.source)
    assert len(page.source) < 400_000
    assert page.root.all("title")[0].text[:20] == page.root.all("h1")[0].text[:20]
    if name == "script":
        assert page.root.all("title")[0].text == hostile
        assert {row[f"c{hostile}"] for row in page.downloads["worst-pairs"]} <= {f"{hostile}{n}" for n in range(3)}
    assert "49" not in page.root.all("h1")[0].text


def test_only_its_own_style_and_script_are_allowed(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn(50))
    page = paged(mrl, "a.csv")
    (policy,) = (one.attributes["content"] for one in page.root.all("meta") if "http-equiv" in one.attributes)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("style", "script"):
        (content,) = (one.text for one in page.root.all(tag))
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
        assert tag == "style" or len(content.encode()) <= 3000
    urls = [value for one in page.root for key, value in one.attributes.items() if key in ("src", "href")]
    assert all(url.startswith("data:") for url in urls)
    assert "http" not in re.sub(r"http-equiv", "", page.source)


@pytest.mark.slow
def test_a_page_is_the_same_bytes_for_any_jobs_and_made_again_by_its_command(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "my pairs.csv", drawn())
    how = ["my pairs.csv", "--group-by", "group", "--param", "temperature=0.3", "--loss", "logistic", "--worst", "3"]
    sources = {paged(mrl, *how, "--jobs", jobs).source for jobs in "13"}
    for name in ("one.html", "two.html"):
        assert mrl("report", *how, "-o", name).code == 0
        sources.add((tmp_path / name).read_text())
    (source,) = sources
    words = shlex.split(Page(source).root.all("code")[0].text)
    assert words[:3] == ["mrl", "report", "my pairs.csv"]
    assert str(tmp_path) not in source
    assert mrl(*words[1:]).code == 0
    assert (tmp_path / "report.html").read_text() == source


@pytest.mark.parametrize(
    "how",
    mostly_slow([["--loss", "logistic"], ["--loss", "squared_hinge", "--margin", "1"], ["--weight", "w"]], quick=1),
)
def test_other_losses_and_weights_have_a_page(how: Sequence[str], mrl: Mrl, tmp_path: Path) -> None:
    columns = drawn(200)
    columns["w"] = np.arange(200) % 3 + 0.5
    write_csv(tmp_path / "a.csv", columns)
    page = paged(mrl, "a.csv", *how, "--group-by", "group")
    record = mrl("compute", "a.csv", *how, "-f", "json").result
    assert float(page.root.all("dl")[0].all("data")[0].attributes["value"]) == record["value"]
    outside = sum(map(float, page.numbers("differences", "loss")))
    assert outside == pytest.approx(record["sum"], rel=0.05)
    assert ("margins" in page.downloads) == ("logistic" not in how)


def test_labels_that_are_no_sides_have_no_calibration(mrl: Mrl, tmp_path: Path) -> None:
    columns = drawn(100)
    columns["y"] = columns["y"] * 0.5
    write_csv(tmp_path / "a.csv", columns)
    assert "calibration" not in paged(mrl, "a.csv", "--labels", "any").downloads


@pytest.mark.slow
def test_an_axis_of_counts_has_no_fractions(mrl: Mrl, tmp_path: Path) -> None:
    for pairs in range(1, 7):
        (tmp_path / "a.csv").write_text("x1,x2,y\n" + "1,0,1\n" * pairs)
        texts = [one.text for one in paged(mrl, "a.csv").sections["differences"].all("text")]
        ticks = texts[: texts.index("pairs")]
        assert ticks[0] == "0"
        assert all(tick.isdigit() for tick in ticks), ticks
        assert 2 <= len(ticks) <= 7


@pytest.mark.parametrize(
    "rows",
    [
        "1,0,1\n",
        pytest.param("0,0,1\n", marks=pytest.mark.slow),
        pytest.param("1,0,1\n1,0,1\n", marks=pytest.mark.slow),
        pytest.param("1e300,-1e300,-1\n", marks=pytest.mark.slow),
        "5e-324,0,1\n",
    ],
)
def test_few_and_extreme_pairs_have_a_page(rows: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"x1,x2,y\n{rows}")
    for loss in ("margin_ranking", "logistic", "exponential"):
        page = paged(mrl, "a.csv", "--loss", loss)
        assert page.root.all("h1")
        assert not re.search(r'"-?(nan|inf)"', page.source)  # no mark stands nowhere


def test_a_gate_and_a_check_hold_as_in_compute(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", drawn(50))
    ran = mrl("report", "a.csv", "-o", "a.html", "--fail-if", "accuracy<1", "--validate")
    assert ran.code == 1
    assert "✓ Found a second time" in Page((tmp_path / "a.html").read_text()).root.text


def test_a_page_is_written_as_html_alone_and_needs_jinja2(
    mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "a.csv", drawn(50))
    for args in (("-o", "a.csv.json"), ("--open",), ("--open", "-o", "-")):
        ran = mrl("report", "a.csv", *args)
        assert (ran.code, ran.out) == (2, ""), args
        assert "write it to a file, such as -o report.html" in ran.err
    mrl("report", "a.csv", "-o", "a.html", "--title", " ").must_fail(
        2, "hint: leave it out for a title that says what is found"
    )
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout.isatty", lambda: True)
        assert "a page is not for a terminal" in mrl("report", "a.csv").err
    assert "only mrl report writes .html files" in mrl("compute", "a.csv", "-o", "a.html").err
    assert "mrl report writes .html" in mrl("report", "a.csv", "-o", "a.parquet").err
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "jinja2" else util.find_spec(name))
    mrl("report", "a.csv", "-o", "a.html").must_fail(2, "pip install 'jinja2>=3.1'")
    assert not (tmp_path / "a.html").exists()


def test_a_page_is_opened_where_that_is_asked_for(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_csv(tmp_path / "a.csv", drawn(50))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert mrl("report", "a.csv", "-o", "a b.html", "--open").code == 0
    assert opened == [f"file://{tmp_path}/a%20b.html"]


@pytest.mark.slow
def test_of_many_groups_a_thousand_are_shown(mrl: Mrl, tmp_path: Path) -> None:
    columns = drawn(1100)
    columns["group"] = [f"g{place}" for place in range(1100)]
    write_csv(tmp_path / "a.csv", columns)
    page = paged(mrl, "a.csv", "--margin", "1", "--group-by", "group")
    losses = np.sort(np.maximum(0, 1 - distance(columns)))[::-1][:1000]
    assert page.numbers("groups", "mean loss") == losses.tolist()
    assert "The 1,000 groups with the most loss, of 1,100." in page.sections["groups"].text
    assert len(page.source) < 1_000_000


def two_models(pairs: int = 300) -> dict[str, Any]:
    """Return columns of pairs with the scores of two models."""
    columns = drawn(pairs)
    random = np.random.default_rng(7)
    noise = random.normal(0, 1, (2, pairs)).round(2)
    return {"id": np.arange(pairs), **columns, "u": columns["x1"] + noise[0], "v": columns["x2"] + noise[1]}


def test_two_models_in_one_file_and_in_two_give_the_same_squares(mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", columns := two_models())
    b = {name: columns[name] for name in ("id", "y", "group", "prompt")} | {"x1": columns["u"], "x2": columns["v"]}
    write_csv(tmp_path / "b.csv", {name: list(reversed(list(values))) for name, values in b.items()})
    in_one = paged(mrl, "a.csv", "--x1-b", "u", "--x2-b", "v", "--margin", "0.5", "--jobs", "1")
    in_two = paged(mrl, "a.csv", "--compare", "b.csv", "--key", "id", "--margin", "0.5", "--group-by", "group")
    assert in_one.downloads["models"] == in_two.downloads["models"]
    d_a, d_b = columns["y"] * (columns["x1"] - columns["x2"]), columns["y"] * (columns["u"] - columns["v"])
    rows, marks = in_one.downloads["models"], in_one.marks("models", "rect")
    width = float(re.findall(r"Squares are ([\d.]+) wide", in_one.sections["models"].text)[0])
    for place, row in enumerate(rows):
        a, b_low = float(row["d of a from"]), float(row["d of b from"])
        is_in = np.ones(300, bool)
        for d, low in ((d_a, a), (d_b, b_low)):
            is_in &= (d >= low) & (d < low + width) if low >= 0 else (d > low) & (d <= low + width) & (d != 0)
        assert int(row["pairs"]) == np.count_nonzero(is_in) > 0
        assert place in marks
    outside = re.findall(r"([\d,]+) pairs lie outside", in_one.sections["models"].text)
    assert sum(int(row["pairs"]) for row in rows) == 300 - int(outside[0] if outside else 0)
    record = mrl("compare", "a.csv", "--x1-b", "u", "--x2-b", "v", "--margin", "0.5", "-f", "json").result
    shown = in_one.sections["models"].text
    both = np.count_nonzero((d_a > 0) & (d_b > 0))
    assert f"both right {both / 300:.1%}" in shown
    assert f"only a right {record['mcnemar']['only_a'] / 300:.1%}" in shown
    names = [cell.text for cell in in_one.root.all("dt")]
    of_strip = dict(zip(names, (cell.text for cell in in_one.root.all("data")), strict=False))
    assert of_strip["mean loss of b"] == f"{record['b']['mean']:.4f}"
    assert of_strip["accuracy of b"] == f"{record['b']['accuracy']:.1%}"
    head = in_one.root.all("header")[0].text
    assert record["verdict"].removesuffix(".") in head
    assert next(iter(in_one.sections)) == "models"
    compute = mrl("compute", "a.csv", "--margin", "0.5", "-f", "json").result
    assert float(in_two.root.all("dl")[0].all("data")[0].attributes["value"]) == compute["value"]


def test_joint_cells_merge_in_any_order_and_count_extremes() -> None:
    a = np.array([0.0, -0.0, 1e300, -5e-324, 1.0, -1.0, np.inf, 0.3])
    b = np.array([1.0, -1.0, 0.5, 2.0, 1.0, -1.0, 0.1, -0.3])
    whole, parts = JointCells(), [JointCells() for _ in range(2)]
    whole.add(a, b)
    parts[0].add(a[:3], b[:3])
    parts[1].add(a[3:], b[3:])
    parts[1] += parts[0]
    assert parts[1].codes.tolist() == whole.codes.tolist()
    assert parts[1].counts.tolist() == whole.counts.tolist()
    square = whole.square()
    assert sum(pairs for _, _, pairs in square.cells) + square.outside == 8


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--key", "id"], "--key goes with --compare B"),
        (["--x1-b", "u"], "report needs the scores of two models"),
        (["--compare", "a.csv"], "how do the pairs of the two files belong together?"),
        (["--compare", "a.csv", "--key", "id", "--weight", "id"], "leave out --weight, and --strength weight"),
        (["--compare", "a.csv", "--key", "id", "--on-error", "skip", "--rejects", "r.csv"], "--rejects and --compare"),
    ],
)
def test_options_of_two_models_must_go_together(args: list[str], message: str, mrl: Mrl, tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", two_models(20))
    mrl("report", "a.csv", "-o", "a.html", *args).must_fail(2, message)


def write_lists(path: Path, queries: int = 60) -> None:
    """Write ranked lists, some of one item, and two of the same loss."""
    random = np.random.default_rng(3)
    rows = ["query,label,score,topic"]
    for query in range(queries):
        for _ in range(1 + query % 6):
            label = random.integers(0, 3)
            rows.append(f"q{query},{label},{label * 0.7 + random.normal():.3f},t{query % 2}")
    path.write_text("\n".join([*rows, "tie2,1,0,t0", "tie2,0,9,t0", "tie1,1,0,t0", "tie1,0,9,t0"]) + "\n")


@pytest.mark.slow
def test_lists_have_their_accuracies_and_the_worst_of_them(
    mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lists(tmp_path / "a.csv")
    how = ["a.csv", "--query", "query", "--margin", "0.5"]
    page = paged(mrl, *how, "--group-by", "topic", "--worst", "5")
    record = mrl("rank", *how, "--confidence", "0.95", "-f", "json").result
    strip = [float(one.attributes["value"]) for one in page.root.all("dl")[0].all("data")]
    wanted = [record["value"], record["accuracy"], record["query_accuracy"], record["active"] / record["pairs"]]
    assert strip == [*wanted, record["ties"]]
    rows = [json.loads(line) for line in mrl("rank", *how, "--per-query", "-f", "jsonl").out.splitlines()]
    met = [row for row in rows if row["pairs"]]
    bars = page.downloads["queries"]
    for bar in bars:
        low, high = float(bar["accuracy from"]), float(bar["below"])
        shares = [row["correct"] / row["pairs"] for row in met]
        inside = [share for share in shares if (low - 1e-9 <= share < high - 1e-9) or share == low == high]
        assert int(bar["queries"]) == len(inside)
    assert sum(int(bar["queries"]) for bar in bars) == len(met)
    assert f"{len(rows) - len(met)} queries have no pair" in page.sections["queries"].text
    assert f"{len(met)} queries" in page.root.all("dl")[0].text
    worst = sorted(met, key=lambda row: (-row["mean"], row["query"]))[:5]
    assert [row["query"] for row in page.downloads["worst-queries"]] == [row["query"] for row in worst]
    assert worst[0]["query"] == "tie1"
    for column in ("pairs", "correct", "wrong", "sum"):
        assert page.numbers("worst-queries", column) == [row[column] for row in worst]
    groups = mrl("rank", *how, "--group-by", "topic", "-f", "json").result["groups"]
    assert sorted(page.numbers("groups", "mean loss")) == sorted(group["mean"] for group in groups)
    monkeypatch.setattr(text, "BLOCK_BYTES", 300)
    assert paged(mrl, *how, "--group-by", "topic", "--worst", "5", "--jobs", "2").source == page.source


@pytest.mark.parametrize(
    "how", mostly_slow([["--loss", "softmax"], ["--reduction", "query-mean"], ["--reduction", "sum"]], quick=1)
)
def test_lists_have_a_page_under_every_kind_of_loss(how: Sequence[str], mrl: Mrl, tmp_path: Path) -> None:
    write_lists(tmp_path / "a.csv", 20)
    page = paged(mrl, "a.csv", "--query", "query", *how)
    record = mrl("rank", "a.csv", *how, "-f", "json").result
    assert float(page.root.all("dl")[0].all("data")[0].attributes["value"]) == record["value"]
    words = shlex.split(page.root.all("code")[0].text)
    assert mrl(*words[1:]).code == 0
    assert (tmp_path / "report.html").read_text() == page.source


@pytest.mark.parametrize("options", [(), ("--weight", "w"), ("--x1-b", "x2", "--x2-b", "x1")])
def test_losses_that_add_up_to_more_than_a_double_holds_have_their_shares(
    mrl: Mrl, tmp_path: Path, options: tuple[str, ...]
) -> None:
    rows = ((8e307, -8e307, -1), (1e307, 9e307, 1), (0.0, 1e307, -1))
    (tmp_path / "huge.csv").write_text("x1,x2,y,w\n" + "".join(f"{x1},{x2},{y},1\n" for x1, x2, y in rows))
    page = paged(mrl, "huge.csv", *options)
    shares = page.numbers("differences", "share of the loss")
    assert sorted(filter(None, shares)) == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.slow
def test_a_page_of_two_inputs_asks_whether_the_second_is_another_model(mrl: Mrl, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("x1,x2,y\n1,2,1\n3,1,1\n")
    both = ("report", tmp_path / "a.csv", tmp_path / "b.csv", "-o", tmp_path / "p.html")
    assert "note: both inputs are read as one" in mrl(*both).err
    assert "read as one" not in mrl(*both, "--by-file").err
    assert "read as one" not in mrl(*both[:2], *both[3:]).err
