"""The whole-process race: ``mrl compute`` against the script that a user would otherwise write.

Run ``python tests/benchmarks/race.py`` from the root of the repository; README.md beside this file says what is
measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from files import data_file, file_label, note
from measure import Bar, Contestant, Race, RaceError, missed_bars, race, run_process
from peers import MARGIN, PEERS, Peer, loss_mean_command, parse_alone, peer_contestant, version_of
from ranked import BARS, LEVELS, LOSSES, MILLION, MOST_BRUTE_ROWS, RankedRun, brute_force
from report import as_json, facts_line, machine_facts, markdown_tables, text_tables

FORMATS = ("csv", "parquet")
QUICKEST = (PEERS["duckdb"].label, PEERS["polars"].label)
START_ROWS = 1000
# Of the quicker of DuckDB and Polars that mrl may take: at every size, and at START_ROWS.
PEER_SHARES = {"csv": 0.55, "parquet": 0.95}
START_SHARES = {"csv": 0.75, "parquet": 0.95}
GROUPED_ROWS = 10 * MILLION
GROUPS_BAR = Bar(6, 1000)  # of a million groups in so many rows
# How many times as long as the first contestant others may take on large files.
MOST: dict[str | tuple[str, str], float] = {
    "none to csv": 2.0,  # half the rows per second
    "weight": 1.15,
    "100 margins": 1.4,
    ("1000 groups", "csv"): 1.15,
    ("1000 groups", "parquet"): 1.35,
    **{(name, "csv"): 1.2 for name in ("calibration", "plot", "page")},
    **{(name, "parquet"): 1.35 for name in ("calibration", "plot", "page")},
}
MEMORY_ROUNDS = 3  # a peak hardly varies, and the files are the largest


@dataclass(frozen=True, slots=True)
class Settings:
    """What a scene needs to know: the files to race on, and who takes part."""

    mrl: tuple[str, ...]
    peers: tuple[Peer, ...]
    rows: tuple[int, ...]
    formats: tuple[str, ...]
    rounds: int
    jobs: int | None
    folder: Path
    before: tuple[str, ...] = ()

    def compute(self, name: str, path: Path, *options: str) -> Contestant:
        """``mrl compute`` on one file, printing the bare mean unless options say otherwise."""
        return Contestant(name, self.command("compute", path, "--margin", MARGIN, *(options or ("--raw",))))

    def command(self, command: str, path: Path, *options: str) -> tuple[str, ...]:
        """An ``mrl`` command on one file."""
        jobs = ("--jobs", str(self.jobs)) if self.jobs else ()
        return (*self.mrl, command, str(path), *options, *jobs)

    def files(self) -> Iterator[tuple[int, str]]:
        """Row count and format of every file asked for."""
        for file_format in self.formats:
            for rows in self.rows:
                yield rows, file_format


def compute_scene(settings: Settings) -> Iterator[Race]:
    """``mrl compute`` against every peer, on every file."""
    for rows, file_format in settings.files():
        path = data_file(settings.folder, rows, file_format)
        peers = [peer_contestant(peer, path, file_format, settings.jobs) for peer in settings.peers]
        most = (START_SHARES if rows <= START_ROWS else PEER_SHARES)[file_format]
        mrl = replace(settings.compute("mrl", path), most=most, held_to=QUICKEST)
        contestants = [mrl, *peers]
        yield race("compute", file_label(rows, file_format), rows, contestants, settings.rounds)


def start_scene(settings: Settings) -> Iterator[Race]:
    """What starting up costs: the version against click's import, and a thousand rows against DuckDB."""
    versions = [
        Contestant("mrl --version", (*settings.mrl, "--version"), has_answer=False),
        Contestant("import click", (sys.executable, "-c", "import click"), has_answer=False),
    ]
    # Short runs scatter most, and cost least to repeat.
    rounds = 3 * settings.rounds
    yield race("start", "no file", 0, versions, rounds)
    duckdb = PEERS["duckdb"]
    if duckdb not in settings.peers:
        return
    for file_format in settings.formats:
        path = data_file(settings.folder, START_ROWS, file_format)
        contestants = [settings.compute("mrl", path), peer_contestant(duckdb, path, file_format, settings.jobs)]
        yield race("start", file_label(START_ROWS, file_format), START_ROWS, contestants, rounds)


def none_scene(settings: Settings) -> Iterator[Race]:
    """Writing every loss against reducing them; the ratio is that of rows per second, per-pair output to mean."""
    for rows, file_format in settings.files():
        path = data_file(settings.folder, rows, file_format)
        with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
            contestants = [settings.compute("mean", path)]
            for out_format in FORMATS:
                out = Path(folder) / f"losses.{out_format}"
                writer = settings.compute(f"none to {out_format}", path, "--reduction", "none", "-o", str(out))
                answer_command = loss_mean_command(out, out_format)
                most = most_of(writer.name, rows, file_format)
                contestants.append(Contestant(writer.name, writer.command, answer_command=answer_command, most=most))
            yield race("none", file_label(rows, file_format), rows, contestants, settings.rounds)


def memory_scene(settings: Settings) -> Iterator[Race]:
    """Peak memory of ``mrl compute`` alone, as files grow."""
    for rows, file_format in settings.files():
        path = data_file(settings.folder, rows, file_format)
        contestants = [settings.compute("mrl", path)]
        rounds = min(settings.rounds, MEMORY_ROUNDS)
        yield race("memory", file_label(rows, file_format), rows, contestants, rounds)


def most_of(name: str, rows: int, file_format: str) -> float:
    """How many times as long as the first a contestant may take: on large files, where starting is little."""
    return MOST.get((name, file_format), MOST.get(name, math.inf)) if rows >= MILLION else math.inf


def sweep_scene(settings: Settings) -> Iterator[Race]:
    """``mrl sweep`` over many margins against ``mrl compute`` at one; the means at that one must agree."""
    for rows, file_format in settings.files():
        path = data_file(settings.folder, rows, file_format)
        contestants = [settings.compute("compute", path)]
        for name, margins in (("100 margins", "0:1.98:0.02"), ("10,000 margins", "0:1.9998:0.0002")):
            command = settings.command("sweep", path, "--margins", margins, "-f", "jsonl")
            answer_command = (sys.executable, "-c", MEAN_AT_MARGIN, MARGIN, *command)
            most = most_of(name, rows, file_format)
            contestants.append(Contestant(name, command, answer_command=answer_command, most=most))
        yield race("sweep", file_label(rows, file_format), rows, contestants, settings.rounds)


def columns_scene(settings: Settings) -> Iterator[Race]:
    """What a weight, a margin for each pair and groups cost, against the same run without them on the same file."""
    for rows, file_format in settings.files():
        label, path = file_label(rows, file_format), data_file(settings.folder, rows, file_format, "--extended")
        options = {"weight": ("--margin", MARGIN, "--weight", "weight"), "margin column": ("--margin-column", "margin")}
        contestants = [settings.compute("plain", path)]
        for name, extra in options.items():
            command = settings.command("compute", path, *extra, "--raw")
            contestants.append(Contestant(name, command, has_answer=False, most=most_of(name, rows, file_format)))
        yield race("columns", label, rows, contestants, settings.rounds)
        report = settings.command("compute", path, "--margin", MARGIN, "-f", "tsv")
        groups = Contestant(
            "1000 groups",
            (*report, "--group-by", "group"),
            has_answer=False,
            most=most_of("1000 groups", rows, file_format),
        )
        contestants = [Contestant("report", report, has_answer=False), groups]
        yield race("columns", f"{label}, report", rows, contestants, settings.rounds)
        if rows < GROUPED_ROWS:
            continue
        path = data_file(settings.folder, rows, file_format, "--extended", "--groups", str(MILLION))
        bar = GROUPS_BAR if rows == GROUPED_ROWS else None
        for written in ("tsv", "json"):
            options_of = ("--margin", MARGIN, "-f", written, "--group-by", "group")
            groups = Contestant("mrl", settings.command("compute", path, *options_of), has_answer=False)
            yield race("columns", f"{label}, a million groups as {written}", rows, [groups], settings.rounds, bar=bar)


def pictures_scene(settings: Settings) -> Iterator[Race]:
    """What pictures, calibration and the page cost, against the report of ``mrl compute`` without them."""
    for rows, file_format in settings.files():
        path = data_file(settings.folder, rows, file_format)
        with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
            page = str(Path(folder) / "report.html")
            commands = {
                "report": settings.command("compute", path, "--margin", MARGIN),
                "calibration": settings.command("compute", path, "--margin", MARGIN, "--calibration"),
                "plot": settings.command("compute", path, "--margin", MARGIN, "--plot", "always"),
                "page": settings.command("report", path, "--margin", MARGIN, "-o", page),
            }
            contestants = [
                Contestant(name, command, has_answer=False, most=most_of(name, rows, file_format))
                for name, command in commands.items()
            ]
            yield race("pictures", file_label(rows, file_format), rows, contestants, settings.rounds)


def floor_scene(settings: Settings) -> Iterator[Race]:
    """How much of a run on CSV is the parser's: `mrl compute` against it alone, and every peer beside."""
    for rows in settings.rows:
        path = data_file(settings.folder, rows, "csv")
        peers = [peer_contestant(peer, path, "csv", settings.jobs) for peer in settings.peers]
        contestants = [settings.compute("mrl", path), parse_alone(path, settings.jobs), *peers]
        yield race("floor", file_label(rows, "csv"), rows, contestants, settings.rounds)


RUNS = {
    "plain": ("compute", "--margin", MARGIN),
    "float32": ("compute", "--margin", MARGIN, "--dtype", "float32"),
    "logistic": ("compute", "--loss", "logistic"),
    "confidence": ("compute", "--confidence", "0.95"),
    "weight": ("compute", "--weight", "weight"),
    "1000 groups": ("compute", "--group-by", "group"),
    "100 margins": ("sweep", "--margins", "0:1.98:0.02"),
    "two models": ("compare", "--x1-b", "margin", "--x2-b", "weight"),
    "none": ("compute", "--reduction", "none", "-o", os.devnull),
    "validate": ("validate", "--margin", MARGIN),
}


def before_scene(settings: Settings) -> Iterator[Race]:
    """Every kind of run against the same one of another checkout, which `--before` names."""
    if not settings.before:
        msg = "the scene before needs --before COMMAND, the mrl of another checkout"
        raise RaceError(msg)
    for rows, file_format in settings.files():
        path = data_file(settings.folder, rows, file_format, "--extended")
        for name, (command, *options) in RUNS.items():
            now = settings.command(command, path, *options)
            before = (*settings.before, *now[len(settings.mrl) :])
            contestants = [Contestant(who, line, has_answer=False) for who, line in (("now", now), ("before", before))]
            yield race("before", f"{name}, {file_label(rows, file_format)}", rows, contestants, settings.rounds)


def rank_scene(settings: Settings) -> Iterator[Race]:
    """``mrl rank`` on one list of all rows and on queries of ten, beside PyTorch over all pairs where that ends."""
    for rows, file_format in settings.files():
        for run in [*(RankedRun(rows, levels) for levels in LEVELS), RankedRun(rows, 5, items=10)]:
            path = data_file(settings.folder, rows, file_format, *run.of_data)
            for loss, options in LOSSES.items():
                contestants = [Contestant("mrl rank", settings.command("rank", path, *options, "--raw"))]
                if PEERS["torch"] in settings.peers and rows <= MOST_BRUTE_ROWS and not run.items:
                    contestants.append(brute_force(path, loss, file_format, settings.jobs))
                label = f"{file_label(rows, file_format)}, {run.what}, {loss}"
                yield race("rank", label, rows, contestants, settings.rounds)


def bars_scene(settings: Settings) -> Iterator[Race]:
    """Runs of ``mrl rank`` on files of ten million rows that must stay below a time and a memory; see ``BARS``."""
    for file_format in settings.formats:
        for run, loss, bar in BARS:
            path = data_file(settings.folder, run.rows, file_format, *run.of_data)
            command = settings.command("rank", path, *LOSSES[loss], "--raw")
            label = f"{file_label(run.rows, file_format)}, {run.what}, {loss}: {bar}"
            yield race("bars", label, run.rows, [Contestant("mrl rank", command)], settings.rounds, bar=bar)


# Run with a margin and an `mrl sweep` command: prints the mean at that margin.
MEAN_AT_MARGIN = """
import json, subprocess, sys
points = map(json.loads, subprocess.check_output(sys.argv[2:]).splitlines())
print(next(point["mean"] for point in points if point["margin"] == float(sys.argv[1])))
"""


SCENES: dict[str, Callable[[Settings], Iterator[Race]]] = {
    "compute": compute_scene,
    "start": start_scene,
    "none": none_scene,
    "memory": memory_scene,
    "sweep": sweep_scene,
    "columns": columns_scene,
    "pictures": pictures_scene,
    "floor": floor_scene,
    "before": before_scene,
    "rank": rank_scene,
    "bars": bars_scene,
}


def available_peers(names: list[str]) -> tuple[Peer, ...]:
    """The peers of these names whose libraries can be imported; a note for each of the others."""
    peers = []
    for name in names:
        missing = [module for module in PEERS[name].modules if version_of(module) is None]
        if missing:
            note(f"skipped: {PEERS[name].label}, because {' and '.join(missing)} cannot be imported here")
        else:
            peers.append(PEERS[name])
    return tuple(peers)


def library_versions(settings: Settings) -> dict[str, str | None]:
    """Versions of mrl and of every library that takes part."""
    modules = dict.fromkeys(["numpy", "pyarrow", *(module for peer in settings.peers for module in peer.modules)])
    mrl_version = run_process([*settings.mrl, "--version"]).stdout.strip()
    return {"mrl": mrl_version.split()[-1] if mrl_version else None, **{name: version_of(name) for name in modules}}


def compile_mrl(settings: Settings) -> None:
    """Compile mrl as installers compile what they install: an editable install may lack that."""
    if settings.mrl[:1] == (str(Path(sys.executable).with_name("mrl")),):
        run_process(
            [sys.executable, "-c", "import compileall, mrl_cli as m; compileall.compile_dir(m.__path__[0], quiet=2)"]
        )


def positive_int(text: str) -> int:
    """An argument that counts something."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def row_counts(text: str) -> list[int]:
    """An argument that lists row counts."""
    return [positive_int(part) for part in text.split(",")]


def some_of(known: list[str]) -> Callable[[str], list[str]]:
    """The type of an argument that lists some of the known names."""

    def names(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in known]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
        return chosen

    return names


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Race mrl against the scripts that a user would otherwise write.")
    add = parser.add_argument
    default_folder = Path(tempfile.gettempdir()) / "mrl-benchmarks"
    default_mrl = shlex.quote(str(Path(sys.executable).with_name("mrl")))
    every_peer, every_scene = list(PEERS), list(SCENES)
    row_default = [1000, 1_000_000, 10_000_000]
    add("--scenes", type=some_of(every_scene), default=["compute", "start"], help=f"of {','.join(every_scene)}")
    add("--rows", type=row_counts, default=row_default, help="row counts of the files, with commas between")
    add("--formats", type=some_of(list(FORMATS)), default=list(FORMATS), help=f"of {','.join(FORMATS)}")
    add("--runs", type=positive_int, default=7, help="timed runs a contestant (default 7)")
    add("--peers", type=some_of(every_peer), default=every_peer, help=f"of {','.join(every_peer)}")
    add(
        "--folder", type=Path, default=default_folder, help=f"where files are made, and kept (default {default_folder})"
    )
    add("--mrl", type=shlex.split, default=default_mrl, help="the command that is mrl (default: beside this Python)")
    add("--before", type=shlex.split, default=[], help="the command that is the mrl of another checkout")
    add("--jobs", type=positive_int, help="threads for every contestant (default: what each takes by itself)")
    add("--cpu", action="store_true", help="hold bars against CPU time: for a machine on which something else runs")
    add("--no-bars", action="store_true", help="hold nothing to its bars: to see that all of it runs")
    add("--json", type=Path, metavar="FILE", help="write every single run there")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args()


def run_scenes(options: argparse.Namespace) -> None:
    """Run the scenes asked for; print the machine and the tables."""
    settings = Settings(
        mrl=tuple(options.mrl),
        peers=available_peers(options.peers),
        rows=tuple(options.rows),
        formats=tuple(options.formats),
        rounds=options.runs,
        jobs=options.jobs,
        folder=options.folder,
        before=tuple(options.before),
    )
    compile_mrl(settings)
    facts = machine_facts(library_versions(settings))
    races = []
    for name in options.scenes:
        for done in SCENES[name](settings):
            note(f"done: {done.scene}, {done.label}")
            races.append(done)
    print(facts_line(facts), end="\n\n")
    print(markdown_tables(races) if options.markdown else text_tables(races))
    if options.json:
        options.json.write_text(json.dumps(as_json(facts, races), indent=1) + "\n")
    if not options.no_bars and (missed := missed_bars(races, by_cpu=options.cpu)):
        raise RaceError("\n".join(["bars are missed:", *missed]))


def main() -> int:
    """Run the program; 1 when a contestant fails, the answers differ or a bar is missed."""
    try:
        run_scenes(parse_options())
    except RaceError as error:
        note(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
