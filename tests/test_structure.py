"""The rooms of DESIGN.md, enforced: who may import whom, who may print, how long things may get, what a run loads."""

from __future__ import annotations

import ast
import atexit
import math
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mrl_cli
from mrl_cli import start
from mrl_cli.commands import command_names
from tests.each import each

if TYPE_CHECKING:
    from collections.abc import Iterator

    Nodes = list[tuple[ast.AST, bool]]

PACKAGE = Path(mrl_cli.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")
}
LONGEST_FILE, LONGEST_FUNCTION = 450, 55

# The layers of the house, the highest first. A room imports from lower layers and from itself, never from beside it.
LAYERS = (
    ("__main__",),
    ("start",),
    ("cli",),
    ("commands", "__init__"),
    ("api",),
    ("engines", "verify", "render"),
    ("inputs", "reports"),
    ("reductions",),
    ("lists", "statistics", "settings"),
    ("losses", "exact"),
    ("model",),
    ("native",),
    ("errors", "records", "words", "arrow", "dtypes", "runtime", ""),  # "": the package itself, which holds the version
)
LAYER_OF = {room: place for place, rooms in enumerate(LAYERS) for room in rooms}
OF_STORES = {f"mrl_cli.inputs.{name}" for name in ("remote", "listing", "stores")} | {"obstore", "boto3"}
ALONE = "verify/reference"  # imports nothing of the package, so that it can hold it to account
SPEAKERS = {"cli", "commands", "__main__", "start"}
OWN_PROCESS = {("engines/child", "os._exit")}  # which has no caller to return to
ONLY_IN = {
    "click": {"cli", "commands"},
    "rich": {"render"},
    "jinja2": {"render"},
    "markupsafe": {"render"},
    "resvg_py": {"render"},
    "pandas": {"api", "inputs"},
    "dask": {"engines"},
    "distributed": {"engines"},
    "ray": {"engines"},
    "pyspark": {"engines"},
    "torch": {"verify"},
    "obstore": {"inputs"},
    "boto3": {"inputs"},
    "hatchling": {"native"},
    "setuptools": {"native"},
}


def broken_rules(module: str, text: str) -> list[str]:
    """Return what breaks the rules in a module, whose name is its path without .py."""
    room = module.split("/", maxsplit=1)[0]
    tree, nodes = _parsed(text)
    complaints = [] if room in LAYER_OF else [f"{module} is in no layer"]
    for imported in _imported(nodes, module):
        top, _, rest = imported.partition(".")
        to = rest.split(".", maxsplit=1)[0]
        if top == "mrl_cli" and not _may_import(module, room, to, rest):
            complaints.append(f"{module} imports {to or 'the package'}")
        if room not in ONLY_IN.get(top, {room}):
            complaints.append(f"{module} imports {top}")
    if room not in SPEAKERS:
        complaints += [
            f"{module}:{line} uses {what}" for line, what in _spoken(nodes) if (module, what) not in OWN_PROCESS
        ]
    complaints += _too_long(module, text, nodes)
    return complaints + [f"{module}: {name} has no docstring" for name in _undocumented(tree)]


KEPT = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.Name, ast.FunctionDef, ast.AsyncFunctionDef)
FORBIDDEN = {"sys.stdout", "sys.stderr", "sys.exit", "os._exit", "print", "exit", "quit", "SystemExit"}
# Without one of these words a rule is broken by statements alone, which are a tenth of all nodes.
IN_EXPRESSIONS = re.compile("|".join({rf"\b{name.rpartition('.')[2]}\b" for name in FORBIDDEN} | {"import_module"}))
WITHIN = ("body", "orelse", "finalbody", "handlers", "cases")


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _parsed(text: str) -> tuple[ast.Module, Nodes]:
    """Return the tree, and of its nodes those that a rule is about, each with whether it is there at run time."""
    tree = _tree(text)
    fields = None if IN_EXPRESSIONS.search(text) else WITHIN
    kept: Nodes = []
    waiting: Nodes = [(tree, True)]
    while waiting:
        node, is_run = waiting.pop()
        if isinstance(node, KEPT):
            kept.append((node, is_run))
        for_types = isinstance(node, ast.If) and _dotted(node.test).endswith("TYPE_CHECKING")
        for name in node._fields if fields is None else fields:
            is_there = is_run and not (for_types and name == "body")
            value = getattr(node, name, ())
            inner = value if isinstance(value, list) else (value,)
            waiting += [(one, is_there) for one in inner if isinstance(one, ast.AST) and one._fields]
    return tree, kept


def _may_import(module: str, room: str, to: str, rest: str) -> bool:
    if module.startswith(ALONE):
        return rest.startswith(ALONE.replace("/", "."))
    if room not in LAYER_OF:
        return True
    return to == room or LAYER_OF.get(to, -1) > LAYER_OF[room]


def _imported(nodes: Nodes, module: str) -> Iterator[str]:
    """Yield the full names of what is imported at run time, wherever in the module."""
    for node in (node for node, is_run in nodes if is_run):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = ["mrl_cli", *module.removesuffix("/__init__").split("/")]
                depth = len(here) - node.level + module.endswith("__init__")
                base = ".".join([*here[:depth], *([base] if base else [])])
            if base == "mrl_cli":  # a room, or a name that the package itself holds
                names = (f"mrl_cli.{alias.name}" for alias in node.names)
                yield from (name if name.split(".")[1] in LAYER_OF else base for name in names)
            else:
                yield base
        elif isinstance(node, ast.Call) and _dotted(node.func).endswith("import_module"):
            yield from (str(given.value) for given in node.args[:1] if isinstance(given, ast.Constant))


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _spoken(nodes: Nodes) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of what prints or exits."""
    for node, _ in nodes:
        if isinstance(node, ast.Attribute | ast.Name) and _dotted(node) in FORBIDDEN:
            yield node.lineno, _dotted(node)


def _too_long(module: str, text: str, nodes: Nodes) -> Iterator[str]:
    if len(text.splitlines()) > LONGEST_FILE:
        yield f"{module} has {len(text.splitlines())} lines"
    for node, _ in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                lines -= (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
            if lines > LONGEST_FUNCTION:
                yield f"{module}: {node.name} has {lines} lines"


def _undocumented(tree: ast.Module) -> Iterator[str]:
    """Yield the public names without a docstring: the module, and classes and functions outside of functions."""
    if ast.get_docstring(tree) is None:
        yield "the module"
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If | ast.Try):
            waiting += node.body
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        is_overload = any(_dotted(each) == "overload" for each in node.decorator_list)
        if ast.get_docstring(node) is None and not is_overload:
            yield node.name
        if isinstance(node, ast.ClassDef):
            waiting += node.body


def test_modules_keep_to_their_layers() -> None:
    assert [rule for module, text in MODULES.items() for rule in broken_rules(module, text)] == []


def test_rooms_are_those_of_the_layers() -> None:
    assert {module.split("/")[0] for module in MODULES} <= LAYER_OF.keys()
    assert not any(Path(module).name in {"utils", "util", "helpers", "common", "misc"} for module in MODULES)


def test_modules_import_one_another_in_no_circle() -> None:
    wanted = {module: _modules_imported(module, text) for module, text in MODULES.items()}
    seen: dict[str, bool] = {}

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join((*way, module))
        if not seen.get(module):
            for other in sorted(wanted[module]):
                visit(other, (*way, module))
            seen[module] = True

    for module in MODULES:
        visit(module, ())


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements and those within: few of all nodes, which takes a twentieth of the time."""
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []))
        for part in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            yield from _statements(part.body)


def _modules_imported(module: str, text: str) -> set[str]:
    """Return the modules that one imports, wherever in it and be it for types alone."""
    found = set()
    for node in _statements(_tree(text).body):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mrl_cli"):
            base = node.module.replace(".", "/").removeprefix("mrl_cli").removeprefix("/")
            names = [f"{base}/{alias.name}".lstrip("/") for alias in node.names]
            inner = {name for name in names if name in MODULES} | {
                f"{n}/__init__" for n in names if f"{n}/__init__" in MODULES
            }
            found |= inner or ({base} & MODULES.keys()) or ({f"{base}/__init__".lstrip("/")} & MODULES.keys())
    # A module of a package is loaded after the package, which may import it; the package of all holds the version.
    return found - {module, module.rpartition("/")[0] + "/__init__", "__init__"}


@each(
    ("module", "planted", "complaint"),
    [
        ("errors", "from mrl_cli.model import Plan", "errors imports model"),
        ("model/plan", "import mrl_cli.exact", "model/plan imports exact"),
        ("model/plan", "def _f():\n    from mrl_cli import exact", "model/plan imports exact"),
        ("losses/hinges", "from ..exact import ExactSum", "losses/hinges imports exact"),
        ("inputs/text", "from ..engines import local", "inputs/text imports engines"),
        ("inputs/__init__", "from ..engines import local", "inputs/__init__ imports engines"),
        ("inputs/text", "from mrl_cli.reports import notes", "inputs/text imports reports"),
        ("reductions/base", "from mrl_cli.inputs import resolve", "reductions/base imports inputs"),
        ("render/json", "from mrl_cli.verify import Verifier", "render/json imports verify"),
        ("render/json", "if TYPE_CHECKING:\n    pass\nelse:\n    import mrl_cli.api", "render/json imports api"),
        ("engines/base", "from mrl_cli.commands.options import jobs_of", "engines/base imports commands"),
        ("engines/base", "import_module('mrl_cli.cli')", "engines/base imports cli"),
        ("verify/reference/sums", "from mrl_cli.exact import ExactSum", "verify/reference/sums imports exact"),
        ("verify/reference/sums", "from mrl_cli.verify import rows", "verify/reference/sums imports verify"),
        ("reductions/base", "import click", "reductions/base imports click"),
        ("commands/compute", "from rich.table import Table", "commands/compute imports rich"),
        ("model/rules", "print(1)", "model/rules:2 uses print"),
        ("engines/base", "import sys\nsys.exit(2)", "engines/base:3 uses sys.exit"),
        ("render/json", "import sys\nsys.stderr.write('x')", "render/json:3 uses sys.stderr"),
        ("exact/sums", "raise SystemExit", "exact/sums:2 uses SystemExit"),
        ("helpers", "A = 1", "helpers is in no layer"),
        ("exact/sums", "def total():\n    return 1", "exact/sums: total has no docstring"),
        ("exact", 'class Total:\n    """A sum."""\n    def of(self):\n        return 1', "exact: of has no docstring"),
        ("exact", "def _f():\n" + "    x = 1\n" * 55, "exact: _f has 56 lines"),
        ("exact", "A = 1\n" * 450, "exact has 451 lines"),
    ],
)
def test_planted_violation_is_reported(module: str, planted: str, complaint: str) -> None:
    assert broken_rules(module, f'"""A module."""\n{planted}') == [complaint]


@each(
    ("module", "fine"),
    [
        ("model/plan", "if TYPE_CHECKING:\n    from mrl_cli.exact import ExactSum"),
        ("render/json", "import typing\nif typing.TYPE_CHECKING:\n    from mrl_cli.verify import Verifier"),
        ("commands/losses", "import click\nfrom mrl_cli import __version__\nclick.echo(1)\nprint(2)"),
        ("inputs/text", "from .base import Shard\nfrom . import cells\nfrom mrl_cli.errors import DataError"),
        ("exact", 'def _f():\n    """Docs.\n' + "\n" * 60 + '    """\n' + "    x = 1\n" * 54),
    ],
)
def test_what_is_allowed_is_not_complained_of(module: str, fine: str) -> None:
    assert broken_rules(module, f'"""A module."""\n{fine}') == []


def test_missing_module_docstring_is_reported() -> None:
    assert broken_rules("exact", "A = 1") == ["exact: the module has no docstring"]


# What a run loads decides how quick it starts; milliseconds would depend on the machine.

# A copy of this process runs the command lines of each line that it reads: all runs load what is loaded here. The words
# of the line are a folder, a file for the names of the modules, one for what is printed, and variables before "lines".
SCRIPT = """
import os
import sys
from mrl_cli.cli import main
for asked in sys.stdin:
    folder, names, printed, *words = asked[:-1].split(chr(31))
    process = os.fork()
    if process:
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
        continue
    code = 1
    try:
        os.chdir(folder)
        os.environ.update(word.split("=", 1) for word in words[:words.index("lines")])
        for number in (1, 2):
            os.dup2(os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        for line in words[words.index("lines") + 1:]:
            try:
                main(line.split("|"))
            except SystemExit as stop:
                assert not stop.code, (line, stop.code)
        with open(names, "w") as file:
            file.write(" ".join(sys.modules))
        code = 0
    except BaseException:
        import traceback
        traceback.print_exc()
    finally:
        os._exit(code)
"""

Args = Sequence[str | Path]


@cache
def _loading() -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    return process


def _loaded(tmp_path: Path, *lines: Args, cwd: str | Path = ".", **env: str) -> set[str]:
    """Return the modules that a process loads which runs those command lines one after another."""
    names, printed, process = tmp_path / "modules.txt", tmp_path / "printed.txt", _loading()
    variables = [f"{name}={value}" for name, value in env.items()]
    words = [os.path.abspath(cwd), names, printed, *variables, "lines", *("|".join(map(str, line)) for line in lines)]
    assert process.stdin
    assert process.stdout
    print(*words, sep=chr(31), file=process.stdin, flush=True)
    assert process.stdout.readline() == "0\n", printed.read_text()
    return set(names.read_text().split())


@pytest.mark.slow
def test_a_run_loads_what_reads_settings_and_names_only_where_there_are_some(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y\n0.5,0.25,1\n")
    unused = {"difflib", "numpy.ma", "mrl_cli.commands.proposals"}
    rare = unused | {"tomllib", "mrl_cli.commands.config", "mrl_cli.losses.names"}
    there = {"cwd": str(tmp_path)}
    lines: Sequence[Args] = ["compute", file, "--loss", "logistic", "-f", "csv"], ["compute", "--help"]
    assert not _loaded(tmp_path, *lines, **there) & rare
    (tmp_path / "mrl.toml").write_text("loss = 'bt'")
    assert rare - _loaded(tmp_path, ["compute", file], **there) == unused


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    lines: list[Args] = [["--version"], ["--help"], *([name, "--help"] for name in command_names())]
    loaded = _loaded(tmp_path, *lines)
    assert {"mrl_cli.cli", "mrl_cli.commands.rank"} <= loaded
    heavy = {"numpy", "pyarrow", "pandas", "rich", "concurrent.futures", "asyncio", "mrl_cli.lists"}
    assert not loaded & heavy
    assert not _loaded(tmp_path, ["losses"], ["losses", "-f", "json"], ["docs"], ["help"]) & {
        "numpy._core",
        *heavy - {"numpy"},
    }
    of_pairs = _loaded(tmp_path, ["completion", "bash"], ["compute", "--help"])
    assert not of_pairs & {*heavy, "mrl_cli.commands.ranked"}


def test_frames_have_room_below_the_process() -> None:
    # More than the calls of the deepest run take.
    assert start.in_large_frame.__code__.co_stacksize * 8 >= 1 << 20


def test_a_frame_that_does_not_fit_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise MemoryError

    def end(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(start, "in_large_frame", refuse)
    monkeypatch.setattr("os._exit", end)
    with pytest.raises(SystemExit, match=r"^4$"):
        start.process()
    assert capfd.readouterr() == ("", "error: out of memory\nhint: give mrl more memory\n")


@pytest.mark.slow
def test_pairs_load_nothing_of_lists(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("x1,x2,y\n0.5,0.25,1\n")
    (tmp_path / "lists.csv").write_text("query,label,score\na,1,0.5\na,0,0.25\n")
    of_lists = {f"mrl_cli.inputs.{name}" for name in ("beside", "items")} | {"mrl_cli.lists.measure"}
    assert not _loaded(tmp_path, ["compute", tmp_path / "pairs.csv"]) & of_lists
    assert of_lists <= _loaded(tmp_path, ["rank", tmp_path / "lists.csv"])


def test_compiled_reader_loads_no_pyarrow(compiled: None, tmp_path: Path) -> None:
    computing, validating = list[Args](), list[Args]()
    for suffix, delimiter in (("csv", ","), ("tsv", "\t")):
        file = tmp_path / f"pairs.{suffix}"
        file.write_text("x1,x2,y\n0.5,0.25,1\n".replace(",", delimiter))
        computing += [["compute", file], ["compute", file, "--reduction", "none", "-f", suffix]]
        validating += [["validate", file]]
    for lines in (computing, validating):
        loaded = _loaded(tmp_path, *lines, MRL_NATIVE="1")
        assert {"numpy", "mrl_cli.native._fields", "mrl_cli.reductions.measured"} <= loaded
        assert not any(name.startswith("pyarrow") for name in loaded)
        assert not loaded & OF_STORES
        assert not loaded & {"mrl_cli.render.picture", "mrl_cli.render.svg", "resvg_py"}
        assert not loaded & {"pandas", "rich", "torch", "dask", "fsspec", "multiprocessing", "asyncio"}
        assert not loaded & {"gzip", "ssl", "concurrent.futures.thread", "numpy.ma"} - _loaded_by("import numpy")
        assert "json" not in loaded or lines is not computing


@pytest.mark.slow
def test_csv_run_without_the_compiled_reader_loads_only_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y\n0.5,0.25,1\n")
    loaded = _loaded(tmp_path, ["compute", file], MRL_NATIVE="0")
    assert {"numpy", "pyarrow.csv", "mrl_cli.reductions.measured"} <= loaded
    assert not loaded & {"mrl_cli.reductions.curve", "mrl_cli.reductions.ledger", "mrl_cli.exact.codes", "fractions"}
    assert not loaded & {"pandas", "rich", "torch", "dask", "fsspec", "multiprocessing", "asyncio"}
    assert not loaded & {
        "pyarrow.parquet",
        "pyarrow.dataset",
        "pyarrow.json",
        "pyarrow.compute",
        "pyarrow.pandas_compat",
    }
    assert not loaded & {"gzip", "pathlib", "ssl", "concurrent.futures.thread"} - _loaded_by("import pyarrow.csv")


@pytest.mark.slow
def test_ranking_a_csv_file_loads_only_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "lists.csv"
    file.write_text("query,label,score,kind\na,1,0.25,k\na,0,0.5,k\nb,0,1,k\nb,1,2,k\n")
    line: Args = ["rank", file]
    loaded = _loaded(tmp_path, line, [*line, "--group-by", "kind"], [*line, "--loss", "softmax"])
    assert "mrl_cli.reductions.lists" in loaded
    assert not loaded & {"pandas", "rich", "pyarrow.compute", "pyarrow.parquet", "pyarrow.json", "tempfile"}


@pytest.mark.slow
def test_comparing_in_one_file_does_not_load_what_joins_two(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y,u,v\n0.5,0.25,1,0,1\n1,0,1,1,0\n")
    loaded = _loaded(tmp_path, ["compare", file, "--x1-b", "u", "--x2-b", "v"])
    assert "mrl_cli.reductions.contrast" in loaded
    assert not loaded & {"pandas", "rich", "torch", "scipy", "pyarrow.parquet", "pyarrow.dataset"}


def test_parquet_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"x1": [0.5], "x2": [0.25], "y": [1]}), file)
    loaded = _loaded(tmp_path, ["compute", file])
    assert "pyarrow._parquet" in loaded
    assert not loaded & {"pandas", "rich", "torch", "dask", "pyarrow.dataset", "pyarrow.json", "json", "pyarrow.csv"}
    assert not loaded & {"pyarrow.parquet", "pyarrow.fs", "ssl", "pathlib", "urllib.parse"}  # clouds and their keys
    assert not loaded & OF_STORES


@pytest.mark.slow
def test_groups_of_a_parquet_file_load_no_pandas(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"x1": [0.5], "x2": [0.25], "y": [1], "number": [3], "text": ["a"]}), file)
    by_number, by_text = (_loaded(tmp_path, ["compute", file, "--group-by", column]) for column in ("number", "text"))
    assert not (by_number | by_text) & {"pandas", "rich", "pyarrow.csv"}
    assert "pyarrow.compute" not in by_number


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--group-by", "g"], ["--by-file"], ["--cluster", "g"], ["--on-error", "skip"]])
@pytest.mark.parametrize("name", ["pairs.csv", "pairs.parquet"])
def test_groups_and_rejected_rows_need_no_pandas(name: str, options: list[str], tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {"x1": [0.5, 1.0, 2.0], "x2": [0.25, 1.0, math.nan], "y": [1, -1, 1], "g": [1, 2, 2]}
    file = tmp_path / name
    if name.endswith("csv"):
        file.write_text("x1,x2,y,g\n0.5,0.25,1,1\n1,1,-1,2\n2,,1,2\n")
    else:
        pq.write_table(pa.table(columns), file)
    extra = [] if "--on-error" in options else ["--on-error", "skip"]
    assert not _loaded(tmp_path, ["compute", file, *options, *extra]) & {"pandas", "rich", "torch"}


@cache
def _loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True).split())


@pytest.mark.slow
def test_validating_csv_loads_only_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y\n0.5,0.25,1\n")
    loaded = _loaded(tmp_path, ["validate", file], MRL_NATIVE="0")
    assert {"numpy", "pyarrow.csv", "mrl_cli.verify.reference"} <= loaded
    assert not loaded & {"pandas", "rich", "torch", "dask", "mrl_cli.verify.explanations", "mrl_cli.verify.conformance"}
