"""What `mrl losses` reports: the registry, or one loss of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mrl_cli.losses import LISTWISE, LOSSES, Listwise, Loss, named
from mrl_cli.losses.names import ALIASES, names_of
from mrl_cli.reports.base import Line, Report, Table
from mrl_cli.words import counted, shell_line

_FIRST = ("name", "formula", "parameters", "aliases", "of", "margin")  # in the order of importance


class LossesReport(Report):
    """The losses, or the one called so: formula, whether it has a margin, parameters with default and values, source,
    what it is of, and the names that it goes by elsewhere.
    """

    def __init__(self, name: str | None = None) -> None:
        super().__init__()
        every: list[Loss | Listwise] = [*LOSSES.values(), *LISTWISE.values()]
        self.name = name
        self.losses = every if name is None else [named(ALIASES[name].loss if name in ALIASES else name)]

    def record(self) -> list[dict[str, Any]]:
        """Return a record for each loss."""
        return [
            {
                "name": loss.name,
                "formula": loss.formula,
                "margin": loss.has_margin,
                "parameters": [asdict(parameter) for parameter in loss.parameters],
                "source": loss.source,
                "of": "pair" if loss.name in LOSSES else "list",
                "aliases": [
                    {"name": alias.name, "options": shell_line(alias.flags), "source": alias.source}
                    for alias in names_of(loss.name)
                ],
            }
            for loss in self.losses
        ]

    lines = record

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return a row for each loss, in words."""
        records = self.record()
        for record, loss in zip(records, self.losses, strict=True):
            record["margin"] = "yes" if loss.has_margin else "no"
            record["parameters"] = ", ".join(parameter.summary for parameter in loss.parameters)
            record["aliases"] = ", ".join(alias.name for alias in names_of(loss.name))
        return list(records[0]), [list(record.values()) for record in records]

    def blocks(self) -> list[Table | Line]:
        """Return how many there are, and the same rows, what is asked for first; of one loss all there is."""
        names, rows = self.cells()
        if self.name is None:
            places = [names.index(name) for name in (*_FIRST, *(name for name in names if name not in _FIRST))]
            of_lists = counted(len(LISTWISE), "loss", "losses")
            finding = f"{counted(len(LOSSES), 'loss', 'losses')} of pairs, and {of_lists} of ranked lists."
            shown = [[row[place] for place in places] for row in rows]
            return [Line(finding, "finding"), Table([names[place] for place in places], shown)]
        (loss,), known = self.losses, dict(zip(names, rows[0], strict=True))
        lines = [(name, known[name]) for name in ("name", "formula", "of", "margin", "source")]
        lines += [(parameter.summary, parameter.meaning) for parameter in loss.parameters]
        aliases = [[alias.name, shell_line(alias.flags), alias.source] for alias in names_of(loss.name)]
        others = [Table(["alias", "the same as", "source"], aliases, whole="json")] if aliases else []
        return [Table(["loss", self.name], [*map(list, lines)], whole="json"), *others]
