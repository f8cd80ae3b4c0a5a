"""The rooms of DESIGN.md, enforced: who may import whom, who may print, how long things may get, what a run loads."""

from __future__ import annotations

import ast
import math
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import mrl_cli

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(mrl_cli.__file__).parent
MODULES = {
    path.relative_to(PACKAGE).with_suffix("").as_posix(): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")
}
LONGEST_FILE, LONGEST_FUNCTION = 450, 55

# A room, and the rooms that it may import at run time; every room may also import itself.
MAY_IMPORT = {
    "errors": set[str](),
    "records": set[str](),
    "wording": set[str](),
    "arrow": set[str](),
    "model": {"errors", "records"},
    "losses": {"errors", "model", "records"},
    "exact": {"errors", "model", "records"},
    "checks": {"errors", "model", "wording"},
    "groups": {"arrow", "errors", "model", "exact"},
    "measure": {"arrow", "errors", "model", "losses", "exact", "groups", "checks", "notes"},
    "intervals": {"errors", "model", "exact", "records"},
    "bootstrap": {"errors", "model", "records"},
    "comparison": {
        "arrow",
        "errors",
        "model",
        "wording",
        "exact",
        "groups",
        "measure",
        "intervals",
        "bootstrap",
        "records",
    },
    "joining": {"arrow", "errors", "model", "wording", "records"},
    "notes": {"errors", "model"},
    "curves": {"errors", "model", "losses", "exact", "records"},
    "presets": {"errors", "model", "wording", "records"},
    "readers": {"arrow", "errors", "model", "checks", "presets", "wording", "records"},
    "engines": {"errors", "model", "measure", "readers"},
    "rewardbench": {"model"},
    "reporting": {"errors", "model", "losses", "exact", "groups", "curves", "intervals", "notes", "rewardbench"},
    "progress": set[str](),
    "renderers": {"errors", "model", "wording"},
    "writers": {"arrow", "errors", "wording"},
    "validation": {"renderers", "wording", "records"},
    "explanations": {"losses", "validation", "records"},
    "conformance": {"exact", "losses", "measure", "model", "reference", "reporting", "validation", "verify"},
    "verify": {"errors", "model", "measure", "reference", "validation", "wording", "records"},
    "reference": set[str](),
    "api": {"exact", "losses", "model", "curves", "reporting"},
    "frames": {
        "",
        "errors",
        "model",
        "checks",
        "comparison",
        "groups",
        "losses",
        "measure",
        "readers",
        "reporting",
        "wording",
    },
    "__init__": {"api", "frames", "reference"},
    "__main__": {"start"},
    "start": {"cli", "errors"},
    "cli": {"", "errors", "commands", "wording"},
    "commands": {
        "",
        "errors",
        "model",
        "records",
        "checks",
        "curves",
        "groups",
        "comparison",
        "losses",
        "measure",
        "presets",
        "readers",
        "engines",
        "reporting",
        "joining",
        "progress",
        "conformance",
        "explanations",
        "renderers",
        "writers",
        "validation",
        "verify",
        "wording",
    },
}
SPEAKERS = {"cli", "commands", "__main__", "start"}
ONLY_IN = {
    "click": {"cli", "commands"},
    "rich": {"renderers", "progress"},
    "pandas": {"api", "frames", "joining"},
    "dask": {"engines"},
    "torch": {"verify"},
}


def broken_rules(module: str, text: str) -> list[str]:
    """Return what breaks the rules in a module, whose name is its path in the package without .py."""
    room = module.split("/", maxsplit=1)[0]
    tree = ast.parse(text)
    found = [] if room in MAY_IMPORT else [f"{module} is in no room that DESIGN.md knows"]
    for imported in _imported(tree, module):
        top, _, rest = imported.partition(".")
        to = rest.split(".", maxsplit=1)[0]
        if top == "mrl_cli" and to != room and to not in MAY_IMPORT.get(room, set()):
            found.append(f"{module} imports {to or 'the package'}")
        if room not in ONLY_IN.get(top, {room}):
            found.append(f"{module} imports {top}")
    if room not in SPEAKERS:
        found += [f"{module}:{line} uses {what}" for line, what in _spoken(tree)]
    found += _too_long(module, text, tree)
    return found + [f"{module}: {name} has no docstring" for name in _undocumented(tree)]


def _imported(tree: ast.AST, module: str) -> Iterator[str]:
    """Yield the full names of what is imported at run time, wherever in the module."""
    for node in _walked_at_run_time(tree):
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
                yield from (name if name.split(".")[1] in MAY_IMPORT else base for name in names)
            else:
                yield base
        elif isinstance(node, ast.Call) and _dotted(node.func).endswith("import_module"):
            yield from (str(given.value) for given in node.args[:1] if isinstance(given, ast.Constant))


def _walked_at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """As ast.walk, without the bodies of `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and _dotted(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from _walked_at_run_time(other)
            continue
        yield node
        yield from _walked_at_run_time(node)


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def _spoken(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of what prints or exits."""
    forbidden = {"sys.stdout", "sys.stderr", "sys.exit", "os._exit", "print", "exit", "quit", "SystemExit"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and _dotted(node) in forbidden:
            yield node.lineno, _dotted(node)


def _too_long(module: str, text: str, tree: ast.AST) -> Iterator[str]:
    if len(text.splitlines()) > LONGEST_FILE:
        yield f"{module} has {len(text.splitlines())} lines"
    for node in ast.walk(tree):
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
        if ast.get_docstring(node) is None:
            yield node.name
        if isinstance(node, ast.ClassDef):
            waiting += node.body


@pytest.mark.parametrize("module", sorted(MODULES))
def test_module_keeps_to_its_room(module: str) -> None:
    assert broken_rules(module, MODULES[module]) == []


def test_rooms_that_the_design_names_exist() -> None:
    assert {"errors", "model", "exact", "measure", "engines", "renderers", "cli"} <= {
        module.split("/")[0] for module in MODULES
    }
    assert {"losses/__init__", "readers/__init__"} <= MODULES.keys()
    assert not any(Path(module).name in {"utils", "util", "helpers", "common", "misc"} for module in MODULES)


@pytest.mark.parametrize(
    ("module", "planted", "complaint"),
    [
        ("errors", "from mrl_cli.model import Plan", "errors imports model"),
        ("model", "import mrl_cli.exact", "model imports exact"),
        ("model", "def _f():\n    from mrl_cli import exact", "model imports exact"),
        ("losses/hinges", "from ..measure import measure", "losses/hinges imports measure"),
        ("readers/text", "from ..engines import local", "readers/text imports engines"),
        ("readers/__init__", "from ..engines import local", "readers/__init__ imports engines"),
        ("readers/jsonl", "from mrl_cli.losses import LOSSES", "readers/jsonl imports losses"),
        ("renderers", "from mrl_cli.reporting import report", "renderers imports reporting"),
        ("writers", "from mrl_cli.model import Plan", "writers imports model"),
        ("writers", "if TYPE_CHECKING:\n    pass\nelse:\n    import mrl_cli.model", "writers imports model"),
        ("api", "from mrl_cli.readers import resolve", "api imports readers"),
        ("engines", "from mrl_cli.commands.options import jobs_of", "engines imports commands"),
        ("engines", "import_module('mrl_cli.cli')", "engines imports cli"),
        ("reference", "from mrl_cli.losses import LOSSES", "reference imports losses"),
        ("measure", "import click", "measure imports click"),
        ("commands/compute", "from rich.table import Table", "commands/compute imports rich"),
        ("checks", "print(1)", "checks:2 uses print"),
        ("engines", "import sys\nsys.exit(2)", "engines:3 uses sys.exit"),
        ("writers", "import sys\nsys.stderr.write('x')", "writers:3 uses sys.stderr"),
        ("exact", "raise SystemExit", "exact:2 uses SystemExit"),
        ("helpers", "A = 1", "helpers is in no room that DESIGN.md knows"),
        ("exact", "def total():\n    return 1", "exact: total has no docstring"),
        ("exact", 'class Total:\n    """A sum."""\n    def of(self):\n        return 1', "exact: of has no docstring"),
        ("exact", "def _f():\n" + "    x = 1\n" * 55, "exact: _f has 56 lines"),
        ("exact", "A = 1\n" * 450, "exact has 451 lines"),
    ],
)
def test_planted_violation_is_found(module: str, planted: str, complaint: str) -> None:
    assert broken_rules(module, f'"""A module."""\n{planted}') == [complaint]


@pytest.mark.parametrize(
    ("module", "fine"),
    [
        ("model", "if TYPE_CHECKING:\n    from mrl_cli.exact import ExactSum"),
        ("writers", "import typing\nif typing.TYPE_CHECKING:\n    from mrl_cli.model import Plan"),
        ("commands/losses", "import click\nfrom mrl_cli import __version__\nclick.echo(1)\nprint(2)"),
        ("readers/text", "from .base import Shard\nfrom . import cells\nfrom mrl_cli.errors import DataError"),
        ("exact", 'def _f():\n    """Docs.\n' + "\n" * 60 + '    """\n' + "    x = 1\n" * 54),
    ],
)
def test_what_is_allowed_is_not_complained_of(module: str, fine: str) -> None:
    assert broken_rules(module, f'"""A module."""\n{fine}') == []


def test_missing_module_docstring_is_found() -> None:
    assert broken_rules("exact", "A = 1") == ["exact: the module has no docstring"]


# What a run loads decides how quick it starts; milliseconds would depend on the machine.

SCRIPT = """
import sys
from mrl_cli.cli import main
try:
    main(sys.argv[2:])
except SystemExit as stop:
    assert not stop.code, stop.code
with open(sys.argv[1], "w") as file:
    file.write(" ".join(sys.modules))
"""


def _loaded(tmp_path: Path, *args: str | Path) -> set[str]:
    names = tmp_path / "modules.txt"
    done = subprocess.run([sys.executable, "-c", SCRIPT, names, *args], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(names.read_text().split())


@pytest.mark.parametrize(
    "args",
    [
        ["--version"],
        ["--help"],
        ["compute", "--help"],
        ["validate", "--help"],
        ["compare", "--help"],
        ["sweep", "--help"],
        ["completion", "bash"],
    ],
)
def test_help_loads_nothing_heavy(args: list[str], tmp_path: Path) -> None:
    loaded = _loaded(tmp_path, *args)
    assert "mrl_cli.cli" in loaded
    assert not loaded & {"numpy", "pyarrow", "pandas", "rich", "concurrent.futures", "asyncio"}


def test_csv_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y\n0.5,0.25,1\n")
    loaded = _loaded(tmp_path, "compute", file)
    assert {"numpy", "pyarrow.csv", "mrl_cli.measure"} <= loaded
    assert not loaded & {"mrl_cli.curves", "mrl_cli.groups", "fractions"}
    assert not loaded & {"pandas", "rich", "torch", "dask", "fsspec", "multiprocessing", "asyncio"}
    assert not loaded & {
        "pyarrow.parquet",
        "pyarrow.dataset",
        "pyarrow.json",
        "pyarrow.compute",
        "pyarrow.pandas_compat",
    }
    assert not loaded & {"gzip", "pathlib", "ssl", "concurrent.futures.thread"} - _loaded_by("import pyarrow.csv")


def test_comparing_in_one_file_does_not_load_what_joins_two(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y,u,v\n0.5,0.25,1,0,1\n1,0,1,1,0\n")
    loaded = _loaded(tmp_path, "compare", file, "--x1-b", "u", "--x2-b", "v")
    assert "mrl_cli.comparison" in loaded
    assert not loaded & {"pandas", "rich", "torch", "scipy", "pyarrow.parquet", "pyarrow.dataset"}


def test_parquet_run_loads_only_what_it_needs(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"x1": [0.5], "x2": [0.25], "y": [1]}), file)
    loaded = _loaded(tmp_path, "compute", file)
    assert "pyarrow._parquet" in loaded
    assert not loaded & {"pandas", "rich", "torch", "dask", "pyarrow.dataset", "pyarrow.json", "pyarrow.csv"}
    assert not loaded & {"pyarrow.parquet", "pyarrow.fs", "ssl", "pathlib", "urllib.parse"}  # clouds and their keys


def test_groups_of_a_parquet_file_load_no_pandas(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "pairs.parquet"
    pq.write_table(pa.table({"x1": [0.5], "x2": [0.25], "y": [1], "number": [3], "text": ["a"]}), file)
    for column in ("number", "text"):
        assert not _loaded(tmp_path, "compute", file, "--group-by", column) & {"pandas", "rich", "pyarrow.csv"}


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
    assert not _loaded(tmp_path, "compute", file, *options, *extra) & {"pandas", "rich", "torch"}


def _loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True).split())


def test_validating_csv_loads_only_what_it_needs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text("x1,x2,y\n0.5,0.25,1\n")
    loaded = _loaded(tmp_path, "validate", file)
    assert {"numpy", "pyarrow.csv", "mrl_cli.reference"} <= loaded
    assert not loaded & {"pandas", "rich", "torch", "dask", "mrl_cli.explanations", "mrl_cli.conformance"}
