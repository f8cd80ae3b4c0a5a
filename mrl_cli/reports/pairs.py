"""What `mrl pairs` found and wrote; the pairs themselves are written while they are read."""

from __future__ import annotations

from mrl_cli.reports.base import Report


class PairsReport(Report):
    """How many rows, queries and pairs there are, and how many pairs were written."""
