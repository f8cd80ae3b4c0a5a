"""The manifest of a folder of parts: how they were computed, and what each of them holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrl_cli.reports.base import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mrl_cli.reductions.parts import WrittenPart


class PartsReport(Report):
    """The manifest; `parts` are the files in the order of their rows, each with its `rows` and `bytes`."""

    @classmethod
    def of(cls, report: Report, file_format: str, parts: Sequence[WrittenPart]) -> PartsReport:
        """Return the manifest of parts in a format, by the report on all pairs in them."""
        figures = {key: value for key, value in report.record().items() if key != "notes"}  # which are on the data
        listed = [{"name": part.name, "rows": part.rows, "bytes": part.size_bytes} for part in parts]
        return cls(**figures | {"schema": "mrl.parts/1", "format": file_format, "parts": listed})
