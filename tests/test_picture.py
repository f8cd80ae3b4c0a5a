"""`--save-plot`: a picture as a file of its own, which says what the terminal says, and is written whole or not."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from importlib import util
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mrl_cli.errors import MachineError
from mrl_cli.render import picture
from mrl_cli.render.svg import WIDE, Scale, drawings_of
from mrl_cli.reports.plots import Distribution, Quadrants, Region
from tests.each import mostly_slow
from tests.running import Mrl
from tests.test_page import HOSTILE
from tests.test_plots import COMMANDS, SAMPLE

if TYPE_CHECKING:
    pass


SVG = "{http://www.w3.org/2000/svg}"
needs_resvg = pytest.mark.skipif(util.find_spec("resvg_py") is None, reason="resvg-py is not installed")


def svg_of(path: Path) -> ET.Element:
    """Return a picture that stands alone: it refers to nothing, runs nothing, and is on white."""
    root = ET.fromstring(path.read_bytes())
    assert root.tag == f"{SVG}svg"
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "g", "rect", "line", "text", "path", "circle", "polygon")
    }
    assert not any("href" in name or name.startswith("on") for element in root.iter() for name in element.attrib)
    paper = root[0]
    assert paper.attrib == {"width": root.attrib["width"], "height": root.attrib["height"], "fill": "#ffffff"}
    return root


def texts_of(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("start", [-3.0, -1.0, -0.25, 0.0])
@pytest.mark.parametrize("margin", [0.0, 0.25, 1.0])
def test_names_of_regions_are_in_the_picture_and_apart(start: float, margin: float) -> None:
    knots = (0.0, margin) if margin else (0.0,)
    inside = [Region(f"0 to {margin}", 0.25)] if margin else []
    regions = (Region("wrong", 0.5, is_bad=True), *inside, Region("right by the margin", 0.25))
    (drawing,) = drawings_of(Distribution("t", "d", start, 0.25, (1,) * 16, 0, 0, knots, regions))
    rows: dict[str, list[tuple[float, float]]] = {}
    for text in ET.fromstring(drawing.text()).iter("text"):
        if text.text is None or not any(region.name in text.text for region in regions):
            continue
        width, at = 7.2 * len(text.text), float(text.attrib["x"])
        first = at - width if text.get("text-anchor") == "end" else at
        rows.setdefault(text.attrib["y"], []).append((first, first + width))
    ends = [end for row in rows.values() for end in row]
    assert len(ends) == len(regions)
    assert all(first >= 50 and last <= WIDE for first, last in ends)
    assert all(before[1] < after[0] for row in rows.values() for before, after in pairwise(sorted(row)))


@pytest.mark.parametrize("name", mostly_slow(COMMANDS, quick=2))
def test_a_picture_says_what_the_terminal_says_and_changes_nothing_else(name: str, mrl: Mrl, tmp_path: Path) -> None:
    command, path = COMMANDS[name](tmp_path), tmp_path / "plot.svg"
    shown = mrl(*command, "--plot", "always").out.splitlines()
    plain, saved = mrl(*command), mrl(*command, "--save-plot", path)
    assert saved == plain
    root = svg_of(path)
    title = root.attrib["aria-label"]
    assert title in shown
    assert title in " ".join(texts_of(root))
    kept = path.read_bytes()
    assert mrl(*command, "--save-plot", path, "--jobs", 1).code == 0
    assert path.read_bytes() == kept


@pytest.mark.slow
def test_each_picture_is_chosen_by_its_name(mrl: Mrl, tmp_path: Path) -> None:
    command = ["compute", SAMPLE, "--margin", "0.5", "--group-by", "patient1", "-f", "json", "--confidence", "0.9"]
    record = json.loads(mrl(*command).out)
    titles = set()
    for which in ("differences", "margins", "calibration", "groups"):
        ran = mrl(*command, "--save-plot", tmp_path / f"{which}.svg", "--which", which)
        assert ran.code == 0
        titles.add(svg_of(tmp_path / f"{which}.svg").attrib["aria-label"])
    assert len(titles) == 4
    assert (
        f"{record['accuracy']:.1%} of 5,000 pairs are ranked right"
        in svg_of(tmp_path / "differences.svg").attrib["aria-label"]
    )
    groups = svg_of(tmp_path / "groups.svg")
    dots = [float(dot.attrib["cx"]) for dot in groups.iter(f"{SVG}circle")]
    worst = sorted(record["groups"], key=lambda group: (group["accuracy"], -group["pairs"]))[:20]
    assert [group["group"] for group in worst] == texts_of(groups)[-3 * 20 - 1 : -1 : 3]
    for at, group in zip(dots, worst, strict=True):
        assert at == pytest.approx(190 + group["accuracy"] * 340, abs=0.006)
    lines = [line for line in groups.iter(f"{SVG}line") if "data-i" in line.attrib]
    for line, group in zip(lines, worst, strict=True):
        assert float(line.attrib["x1"]) == pytest.approx(190 + group["accuracy_low"] * 340, abs=0.006)
        assert float(line.attrib["x2"]) == pytest.approx(190 + group["accuracy_high"] * 340, abs=0.006)
    assert f"and {len(record['groups']) - 20:,} more" in texts_of(groups)[-1]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_a_file_are_text(name: str, mrl: Mrl, tmp_path: Path) -> None:
    quoted = '"' + HOSTILE[name].replace('"', '""') + '"'
    (tmp_path / "pairs.csv").write_text(f"x1,x2,y,{quoted}\n1,2,1,{quoted}\n3,1,1,b\n", "utf-8")
    path = tmp_path / "plot.svg"
    ran = mrl("compute", tmp_path / "pairs.csv", "--group-by", HOSTILE[name], "--save-plot", path, "--which", "groups")
    assert ran.code == 0
    texts = texts_of(svg_of(path))
    shown = [text for text in texts if text.startswith(HOSTILE[name][:1].replace("\u202e", "\\u202e"))]
    assert len(shown) >= 2  # the column and the group
    assert all(text.isprintable() and len(text) < 200 for text in texts)


REFUSED = [
    ("compute --which margins", "--which goes with --save-plot"),
    ("compute --save-plot p.pdf", "--save-plot p.pdf: pictures are written as .svg or .png"),
    ("compute --save-plot -", "--save-plot -: pictures are written as .svg or .png"),
    ("compute --save-plot p.svg --which groups", "--which groups needs --group-by or --by-file"),
    ("compute --save-plot p.svg --which groups --by-file --cluster patient1", "--which groups needs"),
    ("compute --save-plot p.svg --which margins --loss logistic", "--which margins needs one margin"),
    ("compute --save-plot p.svg --which calibration --labels any", "--which calibration needs labels that say which"),
    ("compute --save-plot p.svg --which calibration --loss margin_mse", "--which calibration needs labels"),
    ("compute --save-plot p.svg --reduction none", "--save-plot goes with --reduction mean or sum"),
    ("compute --save-plot p.svg -o p.svg", "--output and --save-plot name one file"),
    ("rank --save-plot p.svg --per-query", "--save-plot goes with the whole"),
]


@pytest.mark.parametrize(("line", "message"), REFUSED)
def test_what_no_picture_can_be_made_of_is_refused(
    line: str, message: str, mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name, *others = line.split()
    mrl(*COMMANDS[name](tmp_path)[:2], *others).must_fail(2, message)
    assert not list(tmp_path.glob("p.*"))


def test_a_picture_is_never_half_there_nor_in_place_of_an_input(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x1,x2,y\n1,2,1\nx,2,1\n")
    path = tmp_path / "plot.svg"
    path.write_text("before")
    assert mrl("compute", tmp_path / "bad.csv", "--save-plot", path).code == 3
    assert path.read_text() == "before"
    (tmp_path / "in.svg").write_text("x1,x2,y\n1,2,1\n")
    ran = mrl("compute", tmp_path / "in.svg", "--save-plot", tmp_path / "in.svg")
    assert "is an input or another output" in ran.err or ran.code == 2
    assert (tmp_path / "in.svg").read_text() == "x1,x2,y\n1,2,1\n"
    assert mrl("compute", SAMPLE, "--save-plot", tmp_path / "no" / "plot.svg").code == 4


def test_a_bare_number_may_have_its_picture(mrl: Mrl, tmp_path: Path) -> None:
    ran = mrl("compute", SAMPLE, "--raw", "--save-plot", tmp_path / "plot.svg")
    assert ran == mrl("compute", SAMPLE, "--raw")
    mrl("compute", SAMPLE, "--save-plot", tmp_path / "whole.svg")
    assert (tmp_path / "plot.svg").read_bytes() == (tmp_path / "whole.svg").read_bytes()


def test_png_needs_its_extra(mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(picture, "find_spec", lambda name: None)
        ran = mrl("compute", SAMPLE, "--save-plot", tmp_path / "plot.png")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: --save-plot needs the package resvg-py for PNG\nhint: pip install 'resvg-py>=0.5'\n"
    assert mrl("compute", SAMPLE, "--save-plot", tmp_path / "plot.svg").code == 0


def has_font() -> bool:
    return any(picture._one_text("x", name) != picture._one_text(" ", name) for name in picture.FAMILIES)


@needs_resvg
def test_png_has_the_size_of_the_picture_and_its_labels(mrl: Mrl, tmp_path: Path) -> None:
    if not has_font():
        pytest.skip("there is no font")
    assert mrl("compute", SAMPLE, "--save-plot", tmp_path / "plot.png").code == 0
    data = (tmp_path / "plot.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    plot = Quadrants("a title", (("name", 1, False), ("other", 3, True)))
    svg = picture.picture_svg(plot)
    root = ET.fromstring(svg)
    data = picture.picture_bytes(plot, "plot.png")
    size = [int.from_bytes(data[place : place + 4], "big") for place in (16, 20)]
    assert size == [2 * float(root.attrib[side]) for side in ("width", "height")]
    assert picture.png_of(svg.replace(">name<", "><")) != data  # the label is there


def test_calibration_that_is_reported_has_its_picture(mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x1,x2,y\n1,2,1\n3,1,1\n0,0,-1\n")
    differences = "compute", "p.csv", "--loss", "margin_mse", "--labels", "pm1", "--save-plot", tmp_path / "p.svg"
    mrl(*differences, "--which", "calibration").must_fail(2, "--which calibration needs labels")
    assert mrl(*differences, "--which", "calibration", "--calibration").code == 0


@pytest.mark.parametrize("which", ["differences", "margins"])
def test_a_margin_beyond_the_dtype_is_in_no_picture(which: str, mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x1,x2,y\n1,2,1\n3,1,1\n0,0,-1\n")
    picture, beyond = tmp_path / f"{which}.svg", ("p.csv", "--margin=1e308", "--dtype=float32")
    ran = mrl("compute", *beyond, "--save-plot", picture, "--which", which, "--raw")
    assert (ran.code, ran.out) == (0, "Infinity\n")
    assert not re.search("inf|nan", picture.read_text().lower())
    assert mrl("report", *beyond, "-o", tmp_path / "p.html").code == 0


@pytest.mark.parametrize("settings", [[], ["--loss", "squared_hinge"], ["--labels", "any"]])
def test_a_picture_of_numbers_whose_difference_is_no_double(settings: list[str], mrl: Mrl, tmp_path: Path) -> None:
    (tmp_path / "huge.csv").write_text("x1,x2,y\n1e308,0,1\n-1e308,0,1\n1,2,1\n")
    assert mrl("compute", tmp_path / "huge.csv", "--save-plot", tmp_path / "plot.svg", *settings).code == 0
    assert mrl("report", tmp_path / "huge.csv", "-o", tmp_path / "page.html", *settings).code == 0
    for name in ("plot.svg", "page.html"):
        assert not re.search(r'="-?(nan|inf)"', (tmp_path / name).read_text())
    ticks = Scale(-1.7e308, math.inf, 0.0, 100.0).ticks(7)
    assert ticks == pytest.approx([place * 5e307 for place in range(-3, 4)])


@needs_resvg
def test_png_without_a_font_for_its_labels_is_refused(
    mrl: Mrl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_font():
        with pytest.raises(MachineError, match=r"no font has 𓀀 \(U\+13000\)") as refused:
            picture.png_of(picture.picture_svg(Quadrants("title 𓀀", (("name", 1, False),))))
        assert refused.value.hint == "install a font that has them, or write .svg"
    monkeypatch.setattr(picture, "FAMILIES", ())  # the name of no font may find one all the same
    ran = mrl("compute", SAMPLE, "--save-plot", tmp_path / "plot.png", "-o", tmp_path / "report.json")
    assert ran.code == 4
    assert ran.err.splitlines() == [
        "error: the labels of a PNG would be lost: no font for them is installed",
        "hint: install a font, such as Debian's fonts-dejavu-core, or write .svg",
    ]
    assert not list(tmp_path.iterdir())
