"""What is printed of a run that fails, for programs: the error as an object."""

from __future__ import annotations

from typing import Any

from mrl_cli.reports.base import Report


class FailureReport(Report):
    """An error: its message, the hint or None, the exit code, and the first problems in the data, each as a record."""

    def record(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"error": vars(self)}
