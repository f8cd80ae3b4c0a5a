"""Every hint is triggered, followed, and gives a right number or a more precise message: none leads in a circle."""

from __future__ import annotations

import ast
import math
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mrl_cli.inputs.storage import File
from mrl_cli.inputs.text import BLOCK_BYTES
from tests.hint_cases import CASES as OF_PAIRS
from tests.hint_cases import Case
from tests.list_hint_cases import LIST_CASES
from tests.running import Ran, in_folder, run_inside
from tests.test_structure import MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]

CASES = [*OF_PAIRS, *LIST_CASES]
OPTION = re.compile(r"(?<![\w-])--?[a-z][a-z0-9-]*")
# Hints that no command line brings about quickly, and the tests that do.
ELSEWHERE = {
    "name the file itself, or make the link anew": "test_hints.py",
    "pip install '": "test_page.py",
    "pip install 'click>=8.5'": "test_cli.py",
    "mrl docs lists the topics": "test_docs.py",
    "give all the same NumPy and the same kind of processor; margin losses have no exponentials": "test_tasks.py",
    "install the same version of mrl on all workers": "test_tasks.py",
    "is `dask scheduler` running there": "clusters.py",
    "do the workers have enough memory": "test_tasks.py",
    "is a head of Ray running there": "clusters.py",
    "is the master running there": "clusters.py",
    "is there a Java, of 17 or later": "clusters.py",
    "please report it on the project's issue tracker; MRL_DEBUG=1 shows the traceback to send along": "test_cli.py",
    "give mrl more memory, or use fewer --jobs": "test_cli.py",
    "group by a column with fewer values": "test_frames.py",
    "name a file, e.g. mrl": "test_cli.py",
    "pairs.csv, or - for stdin": "test_cli.py",
    "check that the file was copied whole, or write it again": "test_bad_input.py",
    "no label column? use y_const=1": "test_frames.py",
    "convert it, e.g. with pandas.to_numeric": "test_frames.py",
    "run again once it is written": "test_hints.py",
    "is a quote opened and never closed, or is it not text": "test_hints.py",
    "install a font, such as Debian's fonts-dejavu-core, or write .svg": "test_picture.py",
    "install a font that has them, or write .svg": "test_picture.py",
    "leave out --weight, and --strength weight": "test_page.py",
    "write it to a file, such as -o report.html": "test_page.py",
    "leave it out for a title that says what is found": "test_page.py",
    "is it text": "test_check.py",
    "are their cells lists? then mrl rank --preset": "test_list_presets.py",
    "write them to a file with --rejects FILE": "test_rank.py",
    "check one with --sample 1, whatever it takes": "test_validate_lists.py",
    "without --lambda-weight": "test_validate_lists.py",
    "without --labels rank": "test_validate_lists.py",
    "install mrl with MRL_NATIVE=1, where there is a C compiler": "test_native.py",
    "true and false are the labels 1 and 0? use labels='01'": "test_frames.py",
    "check AWS_PROFILE and ~/.aws": "test_stores.py",
    "for example -o s3://bucket/name.json": "test_stores.py",
    "for example hf://datasets/OWNER/NAME/data/x.csv, or hf://datasets/OWNER/NAME@REVISION/...": "test_stores.py",
    "name each file, or write a * of a name as %2A": "test_stores.py",
    "wait for it, or remove the folder and write it again": "test_parts.py",
    "copy the folder again, with all files": "test_saved_folders.py",
    "decrypt it, or write those columns that are not into another file": "test_bad_input.py",
    "does something else write to that folder": "test_parts.py",
    "write where all workers can, such as -o s3://bucket/folder/": "test_parts.py",
    "run again, or download the file first": "test_stores.py",
    "set AZURE_STORAGE_ACCOUNT_NAME, or write abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/...": "test_stores.py",
}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with in_folder(tmp_path, monkeypatch):
        yield


def _write(files: dict[str, bytes]) -> None:
    for name, data in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(data)


def _hint_of(ran: Ran) -> str:
    return ran.err.partition("\nhint: ")[2].strip()


FIRST_RUNS: dict[int, Ran] = {}  # of cases, by their ids: several tests begin with them


def _first_run(case: Case, capfd: Capture) -> Ran:
    """Return the run of a case, whose files are then there."""
    _write(case.there)
    if id(case) not in FIRST_RUNS:
        FIRST_RUNS[id(case)] = run_inside(shlex.split(case.line), capfd)
    return FIRST_RUNS[id(case)]


# All tests of a case follow one another, in one process.
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.line}: {case.hint}"[:90], scope="module")


@EVERY_CASE
def test_hint_leads_to_a_right_number_or_a_more_precise_message(case: Case, capfd: Capture) -> None:
    ran = _first_run(case, capfd)
    assert ran.code in (2, 3, 4)
    assert case.hint in ran.err.partition("\nhint: ")[2] or ("Did you mean" in case.hint and case.hint in ran.err)
    _write(case.changed)
    then = case.then or case.line
    proposed, new = set(OPTION.findall(ran.err)), set(OPTION.findall(then)) - set(OPTION.findall(case.line))
    assert not new - {"-o", "--format"} or new & proposed, "what follows is another way out"
    wants_number = isinstance(case.gives, float)
    after = run_inside([*shlex.split(then), *(["-f", "json"] if wants_number else [])], capfd)
    if isinstance(case.gives, str):
        assert case.gives in after.err
        assert _hint_of(after) != _hint_of(ran)
        return
    assert after.code == 0, after.err
    if wants_number:
        assert math.isclose(after.result["value"], float(case.gives or 0), rel_tol=1e-9)


PROPOSED = re.compile(
    r"(?:use|did you mean|e\.g\.|the same,) (--[a-z][^;?…]*?)( in place of (?:--\S+(?: and )?)+)?(?=[;?…]|$)"
)


@EVERY_CASE
def test_following_what_is_proposed_word_by_word_comes_to_an_end(
    case: Case, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--scheduler" in case.line:  # nobody answers there
        monkeypatch.setattr("mrl_cli.engines.dask.CONNECT_SECONDS", 0.1)
    ran, words, seen = _first_run(case, capfd), shlex.split(case.line), list[str]()
    while ran.code and (proposed := PROPOSED.search(_hint_of(ran))):
        assert _hint_of(ran) not in seen, " -> ".join([*seen, _hint_of(ran)])
        seen.append(_hint_of(ran))
        words = _with_options(words, shlex.split(proposed[1]), re.findall(r"--\S+", proposed[2] or ""))
        assert len(seen) < 5
        ran = run_inside(words, capfd)


def _with_options(words: list[str], options: list[str], replaced: list[str]) -> list[str]:
    """Put options in place of those of the same name, and of others."""
    names = {option for option in [*options, *replaced] if option.startswith("--")} - {"--param", "--fill"}
    kept = [word for place, word in enumerate(words) if not {word, words[place - 1]} & names]
    return kept + options


def test_link_that_leads_nowhere_is_made_anew(capfd: Capture) -> None:
    Path("p.csv").symlink_to("there.csv")
    assert _hint_of(run_inside(["compute", "p.csv"], capfd)) == "name the file itself, or make the link anew"
    _write({"there.csv": b"x1,x2,y\n1,3,1\n"})
    assert run_inside(["compute", "p.csv"], capfd).code == 0


def test_file_that_becomes_shorter_is_to_be_read_again(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    _write({"p.csv": b"x1,x2,y\n1,3,1\n"})
    with monkeypatch.context() as patch:
        patch.setattr(File, "read", lambda file, offset, size: b"" if offset else Path(file.path).read_bytes()[:size])
        ran = run_inside(["compute", "p.csv"], capfd)
    assert (ran.code, _hint_of(ran)) == (4, "run again once it is written")
    assert run_inside(["compute", "p.csv"], capfd).code == 0


def test_endless_row_may_be_a_quote(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    _write({"p.csv": b'x1,x2,y,t\n1,3,1,"' + b"a,\n" * 2_000_000})
    monkeypatch.setattr("mrl_cli.inputs.text.LONGEST_ROW_BYTES", BLOCK_BYTES)
    ran = run_inside(["compute", "p.csv"], capfd)
    assert (ran.code, _hint_of(ran)) == (3, "is a quote opened and never closed, or is it not text?")
    assert "p.csv: line 2: a row is longer than" in ran.err
    _write({"p.csv": b'x1,x2,y,t\n1,3,1,"a"\n'})
    assert run_inside(["compute", "p.csv"], capfd).code == 0


def test_endless_row_of_a_plain_file_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    _write({"p.csv": b"x1,x2,y\n1,3,1\n" + bytes(8 * BLOCK_BYTES)})  # as a file on a disk that was full
    monkeypatch.setattr("mrl_cli.inputs.text.LONGEST_ROW_BYTES", 2 * BLOCK_BYTES)
    for command in ("compute", "check"):
        ran = run_inside([command, "p.csv"], capfd)
        assert (ran.code, _hint_of(ran)) == (3, "is a quote opened and never closed, or is it not text?")


def _calls_hint(node: ast.Call) -> Iterator[ast.expr]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    yield from (keyword.value for keyword in node.keywords if keyword.arg == "hint")
    yield from (
        node.args[2:3] if name == "refuse_if" else node.args[1:2] if name in ("with_hint", "_print_error") else ()
    )


def _expressions(tree: ast.AST) -> Iterator[ast.expr]:
    """Yield what is given as a hint, or is called one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _calls_hint(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if any(re.search(r"(?i)hints?$", name) for name in names):
                yield node.value


def _pieces(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of several words in an expression."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip(" ;?,:"):
            yield node.value.strip(" ;?,:")


def hint_pieces(modules: dict[str, str]) -> set[str]:
    """Return every text that a hint in these modules is made of, those of functions that make hints included."""
    trees = {module: ast.parse(text) for module, text in modules.items()}
    functions: dict[str, tuple[str, ast.FunctionDef]] = {}
    for module, whole in trees.items():
        for node in ast.walk(whole):
            if isinstance(node, ast.FunctionDef):  # a private name is its module's own
                functions[f"{module}:{node.name}" if node.name.startswith("_") else node.name] = module, node
    known = {name for name, (_, node) in functions.items() if "hint" in name or node.name == "_remedies"}
    waiting: list[tuple[str, ast.AST]] = [
        (module, each) for module, tree in trees.items() for each in _expressions(tree)
    ]
    waiting += [functions[name] for name in known]
    pieces: set[str] = set()
    while waiting:
        module, tree = waiting.pop()
        if isinstance(tree, ast.FunctionDef):
            returned = (
                node.value for node in ast.walk(tree) if isinstance(node, ast.Return | ast.Yield) and node.value
            )
            waiting += [(module, each) for each in (*returned, *_expressions(tree))]
            continue
        pieces |= set(_pieces(tree))
        calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
        names = [call.id for call in calls if isinstance(call, ast.Name)]
        called = {f"{module}:{name}" if name.startswith("_") else name for name in names}
        waiting += [functions[name] for name in called & functions.keys() - known]
        known |= called
    return pieces


def test_pieces_of_hints_are_found_wherever_they_are_made() -> None:
    text = """
def made(name):
    return f"take {name} or leave it"
def refuse(x):
    hint = "do this first" if x else None
    refuse_if(x, "a message", "not so fast")
    raise DataError("a message of words", hint=made(x) or "something else")
"""
    assert hint_pieces({"module": text}) == {"or leave it", "do this first", "not so fast", "something else"}


def test_every_hint_has_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture) -> None:
    said = ""
    for number, case in enumerate(CASES):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        said += _first_run(case, capfd).err
    for piece, name in ELSEWHERE.items():
        assert piece in Path(__file__).with_name(name).read_text().replace("\\\\?", "?"), piece
    assert {piece for piece in hint_pieces(MODULES) if piece not in said} - ELSEWHERE.keys() == set()
