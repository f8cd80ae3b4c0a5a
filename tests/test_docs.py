"""The documentation: pages made from the commands are up to date, topics print, and links lead somewhere."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import pytest

from mrl_cli import words
from mrl_cli.commands import docs
from mrl_cli.render.document import terminal_text
from mrl_cli.render.terminal import Screen
from tests import readme_commands
from tests.manual import EXIT_CODES
from tests.running import run, run_inside, run_on_terminal
from tests.written_pages import MANUAL, PICTURE, REFERENCE, ROOT, pages, picture

DOCS = Path(docs.FOLDER)


def test_pages_made_from_the_commands_are_up_to_date() -> None:
    written = dict(pages())
    for path, text in written.items():
        message = f"{path.name} is out of date: python -m tests.written_pages"
        assert path.exists() and path.read_text(encoding="utf-8") == text, message  # noqa: PT018 (one message)
    assert {*REFERENCE.iterdir(), *MANUAL.iterdir()} == written.keys()
    assert PICTURE.read_text(encoding="utf-8") == picture()


def test_exit_codes_are_the_same_in_manual_and_docs() -> None:
    page = (DOCS / "running.md").read_text(encoding="utf-8").replace("`", "")
    assert all(f"| {code} | {meaning} |" in page for code, meaning in EXIT_CODES.items())


def test_readme_lists_every_topic_once() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\[.*?) \|", text, re.MULTILINE)
    named = [topic for row in rows for topic in re.findall(r"\[(\w+)\]\(mrl_cli/docs/\1\.md\)", row)]
    assert sorted(named) == sorted(docs.topics())


def test_commands_of_pages_are_left_out_only_where_a_tool_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    command = "cat a.csv | mrl compute - -f json | jq -e '.value | not'"
    monkeypatch.setattr("shutil.which", lambda tool: None if tool == "jq" else f"/bin/{tool}")
    assert readme_commands.missing_tool(command) == "jq"
    assert readme_commands.missing_tool(command.partition(" | jq")[0]) is None


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_manual_pages_hold_no_request_by_accident() -> None:
    for path, text in pages():
        if path.suffix == ".1":
            assert text.isascii()
            requests = {line.split()[0] for line in text.splitlines() if line.startswith((".", "'"))}
            assert requests <= {".TH", ".nh", ".ad", ".SH", ".SS", ".TP", ".PP", ".B", ".BR", ".br", ".EX", ".EE"}


def test_topics_are_listed_with_a_sentence_each(capfd: pytest.CaptureFixture[str]) -> None:
    listed = run_inside(["docs"], capfd).out
    for name, sentence in docs.topics().items():
        assert re.search(rf"^{re.escape(name)} +{re.escape(sentence)}$", listed, re.MULTILINE), name
        assert sentence.endswith("."), name
        assert len(f"{name}{sentence}") < 120, name


@pytest.mark.slow
def test_topics_are_folded_on_a_narrow_terminal() -> None:
    code, screen, err = run_on_terminal(["docs"], os.environ | {"COLUMNS": "50"})
    lines = screen.decode().splitlines()
    assert (code, err) == (0, b"")
    assert max(map(len, lines)) <= 50
    assert "".join(screen.decode().split()) == "".join(run(["docs"]).out.split())


def test_a_topic_is_markdown_in_a_pipe_and_laid_out_on_a_terminal(
    capfd: pytest.CaptureFixture[str],
) -> None:
    for topic in ("glossary", "reference/compute"):
        assert run_inside(["docs", topic], capfd).out == (DOCS / f"{topic}.md").read_text(encoding="utf-8")
    for columns in (60, 200):
        shown = terminal_text(
            "# Title\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nWords and `code`.\n", Screen(columns, color=True)
        )
        assert "Title" in shown
        assert not {"| a", "`code`", "# Title"} & set(re.findall(r"\| a|`code`|# Title", shown))
        plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
        assert max(map(len, plain.splitlines())) <= columns


def test_code_of_a_topic_is_not_broken_and_has_no_background() -> None:
    commands = ["mrl compute " + "pairs.csv " * 9 + "end", "mrl check"]
    page = f"Run `mrl`:\n\n    {commands[0]}\n    {commands[1]}\n\n```python\n>>> {'x' * 90}\n```\n"
    shown = terminal_text(page, Screen(60, color=True))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()
    assert [line.strip() for line in plain if line.startswith("    ")] == [*commands, f">>> {'x' * 90}"]
    assert not re.search(r"\x1b\[[0-9;]*\b4[0-8]\b", shown)


def test_a_topic_that_is_not_there_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("glosary", "../README", "/etc/passwd"):
        ran = run_inside(["docs", name], capfd)
        assert (ran.code, ran.out) == (2, ""), name
        assert ran.err.endswith("mrl docs lists the topics\n"), name
    assert "did you mean glossary?" in run_inside(["docs", "glosary"], capfd).err


def test_links_between_pages_lead_to_files_and_headings() -> None:
    for path in (ROOT / "README.md", *DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            name, _, heading = link.partition("#")
            if "://" in link:
                continue
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), f"{path.name}: {link}"
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
            slugs = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert not heading or heading in slugs, f"{path.name}: {link}"


def test_extras_that_hints_name_are_those_of_the_package() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {name: [package] for name, package in words.EXTRAS.items()} == {name: known[name] for name in words.EXTRAS}
    assert known.keys() - words.EXTRAS.keys() == {"test", "lint", "bench", "browser", "mutants"}
