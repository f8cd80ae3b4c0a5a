"""What a race leaves behind: facts about the machine, tables, raw results."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from measure import Race, Result, own_peak_bytes, paired_ratios

Row = tuple[str, ...]


def machine_facts(versions: dict[str, str | None]) -> dict[str, Any]:
    """Processor, cores, load and versions, as far as the system reports them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": _cpu_model(),
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "load_average_1min": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version for name, version in versions.items() if version},
    }


def facts_line(facts: dict[str, Any]) -> str:
    """The facts in one paragraph."""
    return ", ".join(f"{name} {value}" for name, value in facts.items())


def text_tables(races: Sequence[Race]) -> str:
    """For each scene one row per file and contestant: median times, ratio to the reference and its range, memory."""
    blocks = []
    for title, group in _grouped(races, lambda race: (race.scene, race.results[0].contestant.name)):
        heading = ("file", "contestant", "seconds", "CPU", "ratio", "min-max", "peak MB")
        rows = [row for race in group for row in _text_rows(race)]
        blocks.append(f"{title}\n{_aligned([heading, *rows])}")
    return "\n\n".join(blocks)


def markdown_tables(races: Sequence[Race]) -> str:
    """For each scene one row per file, one column per contestant: ratio with its range, and peak memory in brackets."""
    blocks = []
    for title, group in _grouped(races, lambda race: (race.scene, *_names(race))):
        heading = ("file", *_names(group[0]))
        rule = tuple("---" for _ in heading)
        rows = [(race.label, *map(_markdown_cell, itertools.repeat(race), race.results)) for race in group]
        lines = [f"| {' | '.join(row)} |" for row in (heading, rule, *rows)]
        blocks.append("\n".join([title, "", *lines]))
    return "\n\n".join(blocks)


def as_json(facts: dict[str, Any], races: Sequence[Race]) -> dict[str, Any]:
    """Every run of every race, for later analysis."""
    return {"machine": facts, "races": [_race_json(race) for race in races]}


def _cpu_model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _grouped(races: Sequence[Race], key: Callable[[Race], Row]) -> Iterator[tuple[str, list[Race]]]:
    for _, members in itertools.groupby(races, key=key):
        group = list(members)
        reference = group[0].results[0].contestant.name
        alone = all(len(race.results) == 1 for race in group)
        ratio = "" if alone else f" (ratio: time of {reference} / time of the contestant, median of the rounds)"
        yield f"{group[0].scene}{ratio}", group


def _names(race: Race) -> Row:
    return tuple(result.contestant.name for result in race.results)


def _text_rows(race: Race) -> Iterator[Row]:
    for result in race.results:
        ratio, ratio_range = "", ""
        if result is not race.results[0]:
            ratios = paired_ratios(race.results[0], result)
            ratio, ratio_range = f"{median(ratios):.2f}", f"{min(ratios):.2f}-{max(ratios):.2f}"
        seconds, cpu_seconds = f"{result.median_seconds:.3f}", f"{result.median_cpu_seconds:.3f}"
        yield race.label, result.contestant.name, seconds, cpu_seconds, ratio, ratio_range, _megabytes(result)


def _markdown_cell(race: Race, result: Result) -> str:
    if result is race.results[0]:
        return f"{result.median_seconds:.3f} s ({_megabytes(result)} MB)"
    ratios = paired_ratios(race.results[0], result)
    return f"{median(ratios):.2f}, {min(ratios):.2f}-{max(ratios):.2f} ({_megabytes(result)} MB)"


def _megabytes(result: Result) -> str:
    bound = "≤" if result.peak_bytes <= own_peak_bytes() else ""
    return f"{bound}{result.peak_bytes / 1e6:.0f}"


def _aligned(rows: Sequence[Row]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        # Two columns of words, then numbers.
        cells = [cell.ljust(width) for cell, width in zip(row[:2], widths[:2], strict=True)]
        cells += [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _race_json(race: Race) -> dict[str, Any]:
    return {
        "scene": race.scene,
        "label": race.label,
        "rows": race.rows,
        "results": [_result_json(race, result) for result in race.results],
    }


def _result_json(race: Race, result: Result) -> dict[str, Any]:
    return {
        "contestant": result.contestant.name,
        "command": list(result.contestant.command),
        "answer": result.answer if result.contestant.has_answer else None,
        "elapsed_seconds": [run.elapsed_seconds for run in result.runs],
        "cpu_seconds": [run.cpu_seconds for run in result.runs],
        "peak_bytes": [run.peak_bytes for run in result.runs],
        "paired_ratios": paired_ratios(race.results[0], result),
    }
