"""Small wrong changes to the package, one at a time, each of which some test has to notice.

    python -m tests.mutants                     # every part, whole; hours
    python -m tests.mutants exact losses        # some parts
    python -m tests.mutants ledgers curves --share 0.1 --seed 17
    python -m tests.mutants exact --only extracted

The changes are those of mutmut: another number or operator, None for a value, an argument left out, a condition turned
around. mutmut itself changes nothing in a decorated function, which most losses are, and no constant of a module, and
starts by copying the tree; so the runs are this program's own. The tests of a part are collected once; for each mutant
a fork of that process gets the changed code into the functions that there are, and runs the tests that go through them,
quickest first, until one fails. What is made when a module is imported is imported anew.

What no test notices is shown to mypy, which has to accept it too: None for a bool is no program of this project.

`mutants.txt` holds the mutants that nothing notices, with the reason. One that survives and is not in it ends the
program with exit code 1, as does one in it that is found out, or that the code no longer has. Install
`.[test,mutants]`, and have the compiled reader.
"""

from __future__ import annotations

import argparse
import gc
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from _pytest.config import parse_warning_filter
from hypothesis import HealthCheck, Phase, settings

from tests.mutations import Mutant, mutants_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parent.parent
LIST = ROOT / "tests" / "mutants.txt"
PATIENCE = 5  # times as long as usual is forever
_MISSED, _NOTICED, _BROKEN = 0, 3, 4


class Part(NamedTuple):
    """Modules to change, and the test files that have to notice: beside the modules' own doctests, without test_.

    Of tests marked slow only those of the files `slow` among these run.
    """

    modules: list[str]
    tests: str
    slow: str = ""


PARTS = {
    "exact": Part(["mrl_cli/exact/*.py"], "exact exact_codes exact_runs"),
    "losses": Part(
        ["mrl_cli/losses/*.py"],
        "losses loss_identities losses_exactly probabilities listwise cli_losses",
    ),
    "measuring": Part(["mrl_cli/reductions/measured.py"], "measure groups probabilities reductions fill labels"),
    "native": Part(
        ["mrl_cli/native/__init__.py", "mrl_cli/inputs/plain.py"],
        "native native_lines one_way_inputs group_columns",
    ),
    "ledgers": Part(
        [f"mrl_cli/reductions/{name}.py" for name in ("base", "totals", "ledger", "keys", "hashes")],
        "keys measure groups reductions group_columns list_reductions",
        slow="groups list_reductions",
    ),
    "curves": Part(
        [f"mrl_cli/reductions/{name}.py" for name in ("curve", "halves", "contrast", "listcurve")],
        "probabilities reductions sweep sweep_lists compare",
    ),
    "pictures": Part(
        [
            f"mrl_cli/reductions/{name}.py"
            for name in ("histogram", "cellsums", "bars", "joint", "look", "worst", "pagequeries")
        ],
        "histogram calibration description reductions notes same_cell api_page",
    ),
    "lists": Part(
        [
            f"mrl_cli/reductions/{name}.py"
            for name in ("lists", "listpairs", "queries", "queryweights", "gathered", "repeats")
        ],
        "list_reductions reductions listwise list_loop rank keys",
        slow="list_reductions",
    ),
    "rows": Part(
        [f"mrl_cli/reductions/{name}.py" for name in ("rows", "parts", "documents", "benchmarks")],
        "reductions parts files_beside list_presets more_columns written_rows cli",
    ),
}


class Told(NamedTuple):
    """What a run of the tests without a change told."""

    seconds: dict[str, float]
    functions: dict[str, set[tuple[str, str]]]  # of each test the functions that it goes through
    failed: set[str]


class Runner:
    """A plugin that runs the collected tests again and again, in forks, in place of once."""

    def __init__(self, part: str, mutants: list[Mutant], say: Callable[[str], None], most_seconds: float) -> None:
        self.part, self.mutants, self.say, self.most_seconds = part, mutants, say, most_seconds
        self.survivors: list[Mutant] = []
        self._files = {str(mutant.path) for mutant in mutants}
        self._while_importing: set[tuple[str, str]] = set()
        self._failed: set[str] = set()
        self._functions: list[FunctionType] = []
        self._ends_at_failure = False

    def pytest_sessionstart(self) -> None:
        load_profile()
        self._watch(self._while_importing)

    def pytest_collection_finish(self) -> None:
        self._watch(None)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            if self._ends_at_failure:
                os._exit(_NOTICED)
            self._failed.add(report.nodeid)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        gc.unfreeze()
        self._functions = [each for each in gc.get_objects() if isinstance(each, FunctionType)]
        gc.freeze()
        slow = [f"test_{name}.py" for name in PARTS[self.part].slow.split()]
        items = [item for item in session.items if item.path.name in slow or not item.get_closest_marker("slow")]
        told = _in_child(lambda: self._told(items))
        if told is None:
            raise SystemExit(f"{self.part}: the tests do not end without a change either")
        if told.failed:
            self.say(f"{self.part}: left out, for they fail without a change: {', '.join(sorted(told.failed))}")
        items = [item for item in items if item.nodeid not in told.failed]
        items.sort(key=lambda item: told.seconds[item.nodeid])
        unchanged = [each._replace(function=None, after=each.before) for each in self.mutants[:1]]
        if any(self._is_noticed(each, items, told) for each in unchanged):
            raise SystemExit(f"{self.part}: the tests do not pass when the package is imported anew, without a change")
        for number, mutant in enumerate(self.mutants, start=1):
            if not self._is_noticed(mutant, items, told):
                self.survivors.append(mutant)
                self.say(f"{self.part} {number}/{len(self.mutants)} survives: {mutant}")
            elif number % 50 == 0:
                self.say(f"{self.part} {number}/{len(self.mutants)}")
        return True

    def _told(self, items: list[pytest.Item]) -> Told:
        seconds, functions = {}, {}
        for item, following in zip(items, [*items[1:], None], strict=True):
            functions[item.nodeid] = set[tuple[str, str]]()
            started = time.process_time()
            self._watch(functions[item.nodeid])
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self._watch(None)
            seconds[item.nodeid] = time.process_time() - started
        return Told(seconds, functions, self._failed)

    def _watch(self, into: set[tuple[str, str]] | None) -> None:
        def called(frame: Any, event: str, _: Any) -> None:
            if event == "call" and frame.f_code.co_filename in self._files and into is not None:
                into.add((frame.f_code.co_filename, frame.f_code.co_qualname))

        threading.setprofile(None if into is None else called)
        sys.setprofile(None if into is None else called)

    def _is_noticed(self, mutant: Mutant, items: list[pytest.Item], told: Told) -> bool:
        def goes_through(functions: Iterable[tuple[str, str]], only: str) -> bool:
            return any(file == str(mutant.path) and f"{each}.".startswith(f"{only}.") for file, each in functions)

        name = mutant.function or ""
        is_late = bool(name) and not goes_through(self._while_importing, name)
        chosen = [item for item in items if is_late and goes_through(told.functions[item.nodeid], name)]
        if not chosen:  # what is made while importing may show anywhere
            is_late, chosen = False, items
        seconds, enough = 0.0, list[pytest.Item]()
        for item in chosen:
            if enough and seconds + told.seconds[item.nodeid] > self.most_seconds:
                break
            seconds += told.seconds[item.nodeid]
            enough.append(item)

        def run() -> int:
            _bound(seconds)
            self._ends_at_failure = True
            if not is_late:
                return _run_anew(mutant, [item.nodeid for item in enough])
            put_into(self._functions, mutant)
            for item, following in zip(enough, [*enough[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            return _MISSED

        return bool(_in_child(run, patience=60 + 20 * seconds) != _MISSED)


def _bound(seconds: float) -> None:
    """Bound what this process may take, when so much is usual: what loops or grows forever is noticed too."""
    most = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime + PATIENCE * seconds + 10)
    resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5))
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _in_child(run: Callable[[], Any], patience: float = 3600) -> Any:
    """Return what a function returns in a fork of this process; None where a test fails, or that takes forever."""
    with tempfile.TemporaryFile() as answer:
        pid = os.fork()
        if pid == 0:
            nowhere = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(nowhere, number)
            code = 0
            try:
                pickle.dump(run(), answer)
            except BaseException:  # noqa: BLE001 - it is raised in the other process
                pickle.dump(traceback.format_exc(), answer)
                code = _BROKEN
            answer.flush()
            os._exit(code)
        until = time.monotonic() + patience
        while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)
        code = os.waitstatus_to_exitcode(ended[1])
        answer.seek(0)
        if code == _BROKEN:
            raise RuntimeError(pickle.load(answer))
        return pickle.load(answer) if code == 0 else None


def put_into(functions: list[FunctionType], mutant: Mutant) -> None:
    """Give functions of the module the code that they have in the mutant."""
    file = str(mutant.path)
    before, after = (_codes(compile(source, file, "exec")) for source in (mutant.path.read_text(), mutant.source))
    fresh: dict[CodeType, CodeType] = {}
    for name, codes in before.items():
        if len(codes) == len(after.get(name, ())):
            fresh |= {old: new for old, new in zip(codes, after[name], strict=True) if old != new}
    for function in functions:
        code = function.__code__
        if code.co_filename == file and code in fresh and fresh[code].co_freevars == code.co_freevars:
            function.__code__ = fresh[code]


def _codes(code: CodeType) -> dict[str, list[CodeType]]:
    found: dict[str, list[CodeType]] = {}
    waiting = [code]
    for each in waiting:
        found.setdefault(each.co_qualname, []).append(each)
        waiting += [constant for constant in each.co_consts if isinstance(constant, CodeType)]
    return found


def _run_anew(mutant: Mutant, tests: list[str]) -> int:
    """Import the package again, with the mutant, and run tests; return _MISSED where all pass."""
    usual = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, name: str) -> CodeType | None:
        if self.path == str(mutant.path):
            return compile(mutant.source, self.path, "exec")
        return usual(self, name)

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
    parse_warning_filter.cache_clear()  # it knows the warnings of the package that was imported before
    for name in [name for name in sys.modules if name.split(".")[0] in ("mrl_cli", "tests", "conftest")]:
        del sys.modules[name]
    code = pytest.main([*_arguments(), "-x", *dict.fromkeys(tests)], plugins=[_Anew()])
    return _MISSED if code == 0 else _NOTICED


class _Anew:
    def pytest_sessionstart(self) -> None:
        load_profile()


def load_profile() -> None:
    """Have Hypothesis try the same in every run, and not look for a smaller example."""
    phases, checks = (Phase.explicit, Phase.generate), list(HealthCheck)
    of_tests = settings.get_profile("untimed")
    settings.register_profile(
        "mutants", of_tests, derandomize=True, database=None, phases=phases, suppress_health_check=checks
    )
    settings.load_profile("mutants")


def _arguments() -> list[str]:
    # Without pytest's own way to import, which would take what it is told to run past a changed module.
    return ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain", "--tb=no", f"--rootdir={ROOT}"]


def has_right_types(mutant: Mutant | None = None) -> bool:
    """Return whether mypy accepts the package, with a mutant in place of its module."""
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(mutant.source if mutant else "")
        file.flush()
        shadow = ["--shadow-file", mutant.name, file.name] if mutant else []
        mypy = [sys.executable, "-m", "mypy", "--no-error-summary", *shadow, "mrl_cli"]
        return subprocess.run(mypy, stdout=subprocess.DEVNULL, check=False).returncode == 0


def known(text: str) -> Iterator[tuple[str, str]]:
    """Yield the mutants that a list explains, and the reason of each: that of the last line in brackets above it."""
    reason = ""
    for line in text.splitlines():
        if line.startswith("["):
            reason = line
        elif line.strip():
            yield line, reason


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--share", type=float, default=1.0, help="of the mutants, drawn at random (default 1)")
    parser.add_argument("--seed", type=int, default=17, help="of what is drawn")
    parser.add_argument("--only", default="", help="mutants whose line in the list holds this text")
    parser.add_argument("--listed", action="store_true", help="only mutants of the list")
    parser.add_argument("--seconds", type=float, default=30.0, help="of tests for each mutant, at most (default 30)")
    options = parser.parse_args()
    os.chdir(ROOT)
    terminal = os.dup(1)

    def say(line: str) -> None:
        os.write(terminal, f"{line}\n".encode())

    if not has_right_types():
        parser.error("mypy does not accept the package as it is")
    reasons, rows, is_fine = dict(known(LIST.read_text())), [], True
    for part in options.parts or PARTS:
        modules = sorted(path for pattern in PARTS[part].modules for path in ROOT.glob(pattern))
        every = [mutant for path in modules for mutant in mutants_of(path, ROOT)]
        drawn = random.Random(options.seed).sample(every, round(options.share * len(every)))
        drawn = [mutant for mutant in drawn if options.only in str(mutant) and mutant.is_code]
        drawn = [mutant for mutant in drawn if str(mutant) in reasons or not options.listed]
        runner = Runner(part, drawn, say, options.seconds)
        tests = [f"tests/test_{name}.py" for name in PARTS[part].tests.split()]
        pytest.main([*_arguments(), *tests, *map(str, modules)], plugins=[runner])
        survivors = Counter(str(mutant) for mutant in runner.survivors if has_right_types(mutant))
        by_types = len(runner.survivors) - survivors.total()
        fresh = [line for line in survivors if line not in reasons]
        stale = [line for line in {str(mutant) for mutant in drawn} & set(reasons) if line not in survivors]
        kinds = Counter(reasons.get(line, "[unexplained")[1:].split(":")[0] for line in survivors.elements())
        names, there = {mutant.name for mutant in every}, set(map(str, every))
        gone = [line for line in reasons if line.split(" ")[0] in names and line not in there]
        is_fine &= not (fresh or stale or gone)
        told_apart = (("not in the list", fresh), ("in the list, and noticed", stale), ("in the list, and gone", gone))
        for word, lines in told_apart:
            for line in sorted(lines):
                say(f"{word}: {line}")
        count = survivors.total()
        told = ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items()))
        share = 100 * count / max(len(drawn), 1)
        rows.append(
            f"| {part} | {len(every)} | {len(drawn)} | {len(drawn) - count} | {by_types} | {count} "
            f"| {share:.1f} % | {told} |"
        )
    say("| part | mutants | tried | noticed | by types alone | survived | | of which |\n" + "|---" * 8 + "|")
    say("\n".join(rows))
    return 0 if is_fine else 1


if __name__ == "__main__":
    sys.exit(main())
