"""Look at report pages in a real browser: `python -m tests.browser [--pictures FOLDER]`.

Chromium is the one that is installed (CHROMIUM names another), driven by playwright; axe looks for what keeps people
out. Both come with `pip install playwright axe-playwright-python`. Where one is missing nothing is checked, and why is
printed.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import shutil
import sys
import tempfile
import traceback
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import numpy as np

from tests.running import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLES = Path(__file__).parent.parent / "sample_data"
ALLOWING = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
FORBIDDING = "default-src 'none'"
HOSTILE = "<script>alert(1)</script>\"'\u202e👩‍🚀{{ 7 * 7 }}" + "x" * 10_000


class Shown(NamedTuple):
    """Pages by name, as files; the JSON of the first; and what opens one."""

    pages: dict[str, Path]
    record: dict[str, Any]
    browser: Any

    @contextmanager
    def opened(self, url: str | Path, **how: Any) -> Iterator[Any]:
        """Open a page; whatever it writes to the console or asks for is an error, unless it is `quiet=False`."""
        is_quiet = how.pop("quiet", True)
        context = self.browser.new_context(**({"viewport": {"width": 900, "height": 900}} | how))
        page, address = context.new_page(), url.as_uri() if isinstance(url, Path) else url
        seen: list[str] = []
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("dialog", lambda dialog: seen.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: None if asked.url in (address, "data:,") else seen.append(asked.url))
        page.goto(address)
        yield page
        assert not (is_quiet and seen), seen
        context.close()


def made(folder: Path) -> tuple[dict[str, Path], dict[str, Any]]:
    """Write pages: one with everything, and one with hostile names; return the JSON of the first as well."""
    rows = list(csv.DictReader((SAMPLES / "diabetes_pairs.csv").open()))
    random = np.random.default_rng(0)
    for row in rows:
        row["u"], row["v"] = (str(float(row[name]) + random.normal(0, 0.6)) for name in ("x1", "x2"))
        row[HOSTILE] = f"{HOSTILE}{len(row['patient1'])}"
    with (folder / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    whole = ["--margin", "0.5", "--group-by", "patient1"]
    for name, args in {
        "whole": [*whole, "--x1-b", "u", "--x2-b", "v", "--validate"],
        "hostile": ["--group-by", HOSTILE, "--title", HOSTILE, "--worst", "3"],
    }.items():
        ran = run(["report", "pairs.csv", "-o", f"{name}.html", *args], cwd=folder)
        assert ran.code == 0, ran.err
    how = ["--confidence", "0.95", "-f", "json"]
    record = run(["compute", "pairs.csv", *whole, *how], cwd=folder).result
    return {name: folder / f"{name}.html" for name in ("whole", "hostile")}, record


def check_marks(shown: Shown) -> None:
    """Bars are as high as the JSON has pairs, dots as high as groups are accurate."""
    with shown.opened(shown.pages["whole"]) as page:
        boxes = """selector => [...document.querySelectorAll(selector)].map(mark => {
            const box = mark.getBoundingClientRect();
            return [+mark.dataset.i, box.x + box.width / 2, box.y + box.height / 2, box.height];
        })"""
        rows = downloaded(page, "differences")
        bars: dict[int, float] = {}
        for place, _, _, height in page.evaluate(boxes, "section:has(a[download='differences.csv']) rect[data-i]"):
            bars.setdefault(place, height)
        most = max(bars.values())
        pairs = [int(row["pairs"]) for row in rows]
        for place, height in bars.items():
            assert abs(height / most - pairs[place] / max(pairs)) < 0.01
        correct = sum(count for row, count in zip(rows, pairs, strict=True) if float(row["d from"]) >= 0)
        assert 0 <= shown.record["correct"] - correct <= 10  # beyond the last bar
        groups = {group["group"]: group["accuracy"] for group in shown.record["groups"]}
        wanted = [groups[row["patient1"]] for row in downloaded(page, "groups")]
        dots = page.evaluate(boxes, "section:has(a[download='groups.csv']) .plot circle[data-i]")
        heights = {place: y for place, _, y, _ in dots}
        low, high = wanted.index(min(wanted)), wanted.index(max(wanted))
        scale = (heights[low] - heights[high]) / (wanted[high] - wanted[low])
        for place, y in heights.items():
            assert abs(heights[low] - y - scale * (wanted[place] - wanted[low])) < 0.6
        for figure in page.query_selector_all("dl data"):
            value = float(figure.get_attribute("value"))
            assert value in [v for v in shown.record.values() if not isinstance(v, str | list | dict)] or value < 1


def downloaded(page: Any, name: str) -> list[dict[str, str]]:
    """Return the rows of a download."""
    url = page.get_attribute(f"a[download='{name}.csv']", "href")
    return list(csv.DictReader(io.StringIO(unquote(url.partition(",")[2]))))


def check_downloads(shown: Shown) -> None:
    """A click on CSV saves what the page shows."""
    with shown.opened(shown.pages["whole"]) as page:
        for link in page.query_selector_all("a[download]"):
            with page.expect_download() as saving:
                link.click()
            assert saving.value.suggested_filename == link.get_attribute("download")
            text = Path(saving.value.path()).read_text(encoding="utf-8")
            assert text == unquote(link.get_attribute("href").partition(",")[2])


def check_sorting(shown: Shown) -> None:
    """A header sorts its column by mouse and by Enter, down and up, numbers as numbers."""
    with shown.opened(shown.pages["whole"]) as page:
        table = "section:has(a[download='groups.csv']) table"
        head = page.locator(f"{table} th", has_text="pairs").first
        button = head.locator("button")

        def column() -> list[float]:
            cells = f'[...document.querySelectorAll("{table} tbody tr")].map(row => +row.cells[1].innerText)'
            numbers: list[float] = page.evaluate(cells)
            return numbers

        before = column()
        button.click()
        assert (head.get_attribute("aria-sort"), column()) == ("descending", sorted(before, reverse=True))
        button.press("Enter")
        assert (head.get_attribute("aria-sort"), column()) == ("ascending", sorted(before))
        more = page.locator("button.more").first
        assert page.locator(f"{table} tbody tr:visible").count() == 20
        more.click()
        assert page.locator(f"{table} tbody tr:visible").count() == len(shown.record["groups"])


def check_arrows(shown: Shown) -> None:
    """Arrow keys go from mark to mark of a plot, and what stands there is announced; so does the mouse."""
    with shown.opened(shown.pages["whole"]) as page:
        section = page.locator("section:has(a[download='margins.csv'])")
        svg, read = section.locator("svg").first, section.locator(".read")
        assert read.get_attribute("aria-live") == "polite"
        rows = downloaded(page, "margins")
        svg.focus()
        for row in rows[:3]:
            page.keyboard.press("ArrowRight")
            assert read.inner_text().startswith(f"margin {float(row['margin']):g} · mean loss ")
        page.keyboard.press("ArrowLeft")
        assert f"mean loss {float(rows[1]['mean loss']):.4f}" in read.inner_text()
        page.keyboard.press("End")
        assert read.inner_text().startswith(f"margin {float(rows[-1]['margin']):g} ")
        assert section.locator(".now").count() >= 2  # in both curves
        box = svg.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.5)
        assert not read.inner_text().startswith(f"margin {float(rows[-1]['margin']):g} ")


def check_themes(shown: Shown) -> None:
    """Dark and light follow the system, and the button turns them over; printed, there are no buttons."""
    background = "getComputedStyle(document.body).backgroundColor"
    found = {}
    for scheme in ("light", "dark"):
        with shown.opened(shown.pages["whole"], color_scheme=scheme) as page:
            found[scheme] = page.evaluate(background)
            page.click("#theme")
            found[f"not {scheme}"] = page.evaluate(background)
            page.emulate_media(media="print")
            assert not page.is_visible("#theme")
    assert found["light"] == found["not dark"] != found["dark"] == found["not light"]


def check_narrow(shown: Shown) -> None:
    """Nothing scrolls sideways at 400 points, nor at 320, whatever the names."""
    for name in shown.pages:
        for width in (400, 320):
            with shown.opened(shown.pages[name], viewport={"width": width, "height": 800}) as page:
                page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)


def check_hostile(shown: Shown) -> None:
    """Hostile names run nothing and break nothing."""
    with shown.opened(shown.pages["hostile"]) as page:
        assert page.locator("script").count() == 1
        assert "<script>alert(1)</script>" in page.inner_text("h1")
        assert "{{ 7 * 7 }}" in page.inner_text("h1")
        assert page.locator("section").count() >= 5


def check_without_script(shown: Shown) -> None:
    """Without its script a page shows every plot and every row, and no button that does nothing."""
    with shown.opened(shown.pages["whole"], java_script_enabled=False) as page:
        assert page.locator("button:visible").count() == 0
        visible_plots(page)
        assert page.locator("section:has(a[download='groups.csv']) tbody tr:visible").count() == 132


def visible_plots(page: Any) -> None:
    """Assert that every plot is to be seen."""
    plots = page.locator(".plot svg")
    assert plots.count() >= 6
    for place in range(plots.count()):
        box = plots.nth(place).bounding_box()
        assert box["width"] > 200
        assert box["height"] > 100


def check_server(shown: Shown) -> None:
    """From a server too; where that forbids all style and script, the page is still to be read."""
    for policy, is_quiet in ((ALLOWING, True), (FORBIDDING, False)):
        folder = shown.pages["whole"].parent
        with served(folder, policy) as address, shown.opened(f"{address}/whole.html", quiet=is_quiet) as page:
            visible_plots(page)
            assert page.locator("#theme").is_visible() == is_quiet
            fill = page.locator("rect.f-bad").first.evaluate("mark => getComputedStyle(mark).fill")
            assert fill != "rgb(0, 0, 0)"


@contextmanager
def served(folder: Path, policy: str) -> Iterator[str]:
    """Serve a folder on the loopback with a content policy."""

    class Handler(SimpleHTTPRequestHandler):
        """Sends the policy with every file, and logs nothing."""

        def end_headers(self) -> None:
            """Send the policy too."""
            self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def check_axe(shown: Shown) -> None:
    """Axe finds nothing that keeps people out, in light and dark, on a wide and a narrow page."""
    package = find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    axe = (Path(package.origin).parent / "axe.min.js").read_text(encoding="utf-8")
    for name in shown.pages:
        for scheme, width in (("light", 900), ("dark", 900), ("light", 400)):
            how: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
            with shown.opened(shown.pages[name], **how) as page:
                page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                page.evaluate(axe)
                found = page.evaluate("axe.run().then(results => results.violations)")
                told = [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in found]
                assert not told, (name, scheme, width, json.dumps(told, indent=1))


CHECKS: tuple[Callable[[Shown], None], ...] = (
    check_marks,
    check_downloads,
    check_sorting,
    check_arrows,
    check_themes,
    check_narrow,
    check_hostile,
    check_without_script,
    check_server,
    check_axe,
)


def missing() -> str | None:
    """Return why nothing can be checked, if so."""
    absent = [name for name in ("playwright", "axe_playwright_python") if find_spec(name) is None]
    if absent:
        return f"no package {' and no '.join(absent)}"
    return None if chromium() else "no Chromium"


def chromium() -> str | None:
    """Return the path of the browser."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


def main() -> int:
    """Make pages, check them, and take pictures where they are to be put."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", metavar="FOLDER", type=Path, help="take pictures of the page there")
    asked = parser.parse_args()
    if why := missing():
        print(f"report pages: skipped, {why}")
        return 0
    from playwright.sync_api import sync_playwright

    failed = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        shown = Shown(*made(Path(folder)), browser)
        for check in CHECKS:
            try:
                check(shown)
            except Exception:  # noqa: BLE001 (the others are checked too)
                failed += 1
                traceback.print_exc()
            print(f"{check.__name__}: {(check.__doc__ or '').strip()}")
        if asked.pictures is not None:
            pictures(shown, asked.pictures)
        browser.close()
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return int(failed > 0)


def pictures(shown: Shown, folder: Path) -> None:
    """Take pictures of the head of the page in light and dark, and of all of it, narrow too."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, scheme, width, is_full in (
        ("light", "light", 900, False),
        ("dark", "dark", 900, False),
        ("whole", "light", 900, True),
        ("narrow", "light", 400, True),
    ):
        how: dict[str, Any] = {"color_scheme": scheme, "viewport": {"width": width, "height": 1300}}
        with shown.opened(shown.pages["whole"], **how) as page:
            page.screenshot(path=str(folder / f"report_{name}.png"), full_page=is_full)


if __name__ == "__main__":
    sys.exit(main())
