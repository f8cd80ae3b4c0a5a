"""What `mrl losses` reports: the registry."""

from dataclasses import asdict
from typing import Any

from mrl_cli.losses import LISTWISE, LOSSES, Listwise, Loss
from mrl_cli.reports.base import Line, Report, Table
from mrl_cli.words import counted

_EVERY: tuple[Loss | Listwise, ...] = (*LOSSES.values(), *LISTWISE.values())
_FIRST = ("name", "formula", "parameters", "of", "margin")  # in the order of importance


class LossesReport(Report):
    """The losses: formula, whether it has a margin, parameters with default and values, what it is of, source."""

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
            }
            for loss in _EVERY
        ]

    lines = record

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Return a row for each loss, in words."""
        records = self.record()
        for record, loss in zip(records, _EVERY, strict=True):
            record["margin"] = "yes" if loss.has_margin else "no"
            record["parameters"] = ", ".join(parameter.summary for parameter in loss.parameters)
        return list(records[0]), [list(record.values()) for record in records]

    def blocks(self) -> list[Table | Line]:
        """Return how many there are, and the same rows: what is asked for first, and where it is from last."""
        names, rows = self.cells()
        places = [names.index(name) for name in (*_FIRST, *(name for name in names if name not in _FIRST))]
        of_lists = counted(len(LISTWISE), "loss", "losses")
        finding = Line(f"{counted(len(LOSSES), 'loss', 'losses')} of pairs, and {of_lists} of ranked lists.", "finding")
        return [finding, Table([names[place] for place in places], [[row[place] for place in places] for row in rows])]
