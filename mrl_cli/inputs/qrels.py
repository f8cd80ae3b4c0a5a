"""Judgments of documents: the qrels of TREC, which are held in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mrl_cli.errors import DataError, UsageError
from mrl_cli.inputs import resolve
from mrl_cli.inputs.beside import Qrels
from mrl_cli.inputs.cells import number_in
from mrl_cli.inputs.streams import open_text, rewinding
from mrl_cli.model import Dialect
from mrl_cli.words import harmless, is_float, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mrl_cli.inputs.base import Source

_TREC, _BEIR = 4, 3  # fields of a line: query, iteration, document and relevance, or without iteration
_HINT = "a line is: query, 0, document and relevance, separated by blanks; without 0, BEIR has a header line above"
_TWICE = "which of the two counts is not known: leave one of them out"


def read_qrels(path: str) -> Qrels:
    """Return the judgments in a file of TREC, or of BEIR: with tabs, a header line and no second field.

    Raises UsageError for what is not one file, and DataError for a line that is no judgment, a relevance that is not a
    finite number, a document that is judged twice for a query, and no judgments.
    """
    sources = resolve([path]) if path != "-" else ()
    if len(sources) != 1:
        raise UsageError(f"--qrels {harmless(without_secrets(path), 200)} is not one file", hint="name one file")
    source = sources[0]
    places: dict[tuple[str, str], int] = {}
    labels: list[float] = []
    lines: list[int] = []
    try:
        for number, fields in _lines(source):
            relevance = number_in(fields[-1], Dialect()) if len(fields) == _TREC else "no judgment"
            where = f"{source.shown_name}: line {number}"
            if isinstance(relevance, str):
                text = harmless(" ".join(fields))
                if len(fields) == _TREC:
                    text = f"the relevance {harmless(fields[-1])} is {relevance}"
                raise DataError(f"{where} is no judgment: {text}", hint=_HINT)
            pair = fields[0], fields[2]
            if pair in places:
                what = f"{harmless(pair[1])} of query {harmless(pair[0])}"
                raise DataError(f"{where} judges {what} a second time, after line {lines[places[pair]]}", hint=_TWICE)
            places[pair] = len(labels)
            lines.append(number)
            labels.append(relevance)
    finally:
        source.close()
    if not labels:
        raise DataError(f"no judgments in {source.shown_name}", hint=_HINT)
    return Qrels(source.name, np.array(labels), places)


def _lines(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the four fields of every line that is not blank; fewer fields where it is no judgment."""
    with rewinding(source), open_text(source, None) as stream:
        try:
            text = stream.rest().decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{source.shown_name} is not UTF-8", hint="write it in UTF-8") from error
    first = text.partition("\n")[0].split()
    is_beir = len(first) == _BEIR and not is_float(first[-1])  # a judgment is no header line
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        if is_beir and len(fields) == _BEIR:
            if number == 1:  # the header line
                continue
            fields.insert(1, "0")
        if fields:
            yield number, fields
