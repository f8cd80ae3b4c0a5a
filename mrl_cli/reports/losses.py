"""What `mrl losses` reports: the registry."""

from dataclasses import asdict
from typing import Any

from mrl_cli.losses import LOSSES, Loss
from mrl_cli.reports.base import Report, Table


class LossesReport(Report):
    """The losses: formula, whether it has a margin, parameters with default and bounds, source."""

    def record(self) -> list[dict[str, Any]]:
        """Return a record for each loss."""
        rows = ((loss, [asdict(parameter) for parameter in loss.parameters]) for loss in LOSSES.values())
        return [_record(loss, loss.has_margin, parameters) for loss, parameters in rows]

    def lines(self) -> list[dict[str, Any]]:
        """Return a record for each loss."""
        return self.record()

    def rows(self) -> tuple[list[str], list[list[str]]]:
        """Return a row for each loss, in words."""
        words = ((loss, ", ".join(parameter.summary for parameter in loss.parameters)) for loss in LOSSES.values())
        records = [_record(loss, "yes" if loss.has_margin else "no", parameters) for loss, parameters in words]
        return list(records[0]), [list(record.values()) for record in records]

    def blocks(self) -> list[Table | str]:
        """Return the same rows."""
        return [Table(*self.rows())]


def _record(loss: Loss, margin: object, parameters: object) -> dict[str, Any]:
    return {
        "name": loss.name,
        "formula": loss.formula,
        "margin": margin,
        "parameters": parameters,
        "source": loss.source,
    }
