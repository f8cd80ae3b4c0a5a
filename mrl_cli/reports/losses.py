"""What `mrl losses` reports: the registry."""

from dataclasses import asdict
from typing import Any

from mrl_cli.losses import LISTWISE, LOSSES, Listwise, Loss
from mrl_cli.reports.base import Report, Table

_EVERY: tuple[Loss | Listwise, ...] = (*LOSSES.values(), *LISTWISE.values())


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

    def blocks(self) -> list[Table | str]:
        """Return the same rows."""
        return [Table(*self.cells())]
