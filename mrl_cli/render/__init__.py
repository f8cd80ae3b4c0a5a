"""Renderers: any report as text. Each output format is a module of `formats/`, with the suffixes of its files."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mrl_cli import modules_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mrl_cli.render.terminal import Screen
    from mrl_cli.reports.base import Report

_FIRST = ("table", "json", "jsonl", "csv", "tsv", "markdown")  # in the order of the help, others after them
_OF_ANNOTATIONS = ("github",)
_OF_PAIRS = {".parquet": "parquet", ".pq": "parquet"}  # written pair by pair, never a report


def format_names(*, with_annotations: bool = False) -> tuple[str, ...]:
    """Return the output formats of a report, and of one with annotations.

    >>> set(format_names(with_annotations=True)) - set(format_names())
    {'github'}
    """
    modules = modules_in(os.path.join(__path__[0], "formats"))
    others = (name for name in modules if name not in (*_FIRST, *_OF_ANNOTATIONS))
    return (*_FIRST, *others, *(_OF_ANNOTATIONS if with_annotations else ()))


def format_of(suffix: str) -> str | None:
    """Return the format that the suffix of an output file stands for, in lower case with its dot.

    >>> format_of(".md"), format_of(".pq"), format_of(".txt")
    ('markdown', 'parquet', None)
    """
    if not suffix or suffix in _OF_PAIRS:  # most runs write no file, and start without the formats
        return _OF_PAIRS.get(suffix)
    return next((name for name in format_names() if suffix in _module(name).SUFFIXES), None)


def first_suffixes() -> list[str]:
    """Return the usual suffix of each format of a report that has one, in the order of the help."""
    return [suffix for name in format_names() for suffix in _module(name).SUFFIXES[:1]]


def render(report: Report, output_format: str, **of_screen: Any) -> str:
    """Return a report as text: the pieces that `rendered` yields, on a `Screen` of these fields."""
    from mrl_cli.render.terminal import Screen

    return "".join(rendered(report, output_format, Screen(**of_screen)))


def rendered(report: Report, output_format: str, screen: Screen | None = None) -> Iterable[str]:
    """Return a report as pieces of text; the screen is for tables alone.

    Raises ValueError for a format that the report does not have, an unknown one too.
    """
    known = format_names(with_annotations=report.annotations() is not None)
    if output_format not in known:
        raise ValueError(f"the format must be one of {', '.join(known)}, not {output_format!r}")
    text: str | Iterator[str] = _module(output_format).render(report, screen)
    return [text] if isinstance(text, str) else text


def load(output_format: str) -> None:
    """Load what renders a report in a format, while pairs are measured."""
    if output_format in format_names(with_annotations=True):
        _module(output_format)


def _module(name: str) -> Any:
    return import_module(f"mrl_cli.render.formats.{name}")
