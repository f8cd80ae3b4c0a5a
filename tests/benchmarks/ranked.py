"""Runs of ``mrl rank``: the lists, the losses, PyTorch beside them, and the bars that must hold."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template

from measure import Bar, Contestant
from peers import MARGIN, PEERS

LEVELS = (2, 5, 0)  # how many labels there are; 0: all are different
LOSSES = {"hinge": ("--margin", MARGIN), "logistic": ("--loss", "logistic")}
MOST_BRUTE_ROWS = 30_000  # half a minute of all pairs
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class RankedRun:
    """Lists of ``items`` rows each, or one of all rows, whose labels are of so many levels."""

    rows: int
    levels: int
    items: int = 0

    @property
    def of_data(self) -> tuple[str, ...]:
        """The options of ``make_data.py``."""
        return ("--levels", str(self.levels), *(("--items", str(self.items)) if self.items else ()))

    @property
    def what(self) -> str:
        """The lists in words."""
        lists = f"queries of {self.items}" if self.items else "one query"
        return f"{lists}, {f'{self.levels} labels' if self.levels else 'all labels different'}"


# On two cores, the whole process.
BARS = (
    (RankedRun(10 * MILLION, 2), "hinge", Bar(8, 2000)),
    (RankedRun(10 * MILLION, 5), "hinge", Bar(10, 2000)),
    (RankedRun(10 * MILLION, 0), "hinge", Bar(30, 2000)),
    (RankedRun(10 * MILLION, 2), "logistic", Bar(12, 2000)),
    (RankedRun(10 * MILLION, 5, items=10), "hinge", Bar(8, 500)),
)

# All pairs of one list, some rows of the matrix at a time: as a whole it would not fit.
_BRUTE_FORCE = """\
import sys, pandas as pd, torch, torch.nn.functional as F
$limit
rows = $read(sys.argv[1])
label, score = torch.as_tensor(rows.label.to_numpy()), torch.as_tensor(rows.score.to_numpy())
total = pairs = 0
for first in range(0, len(rows), 500):
    is_pair = label[first : first + 500, None] > label
    d = (score[first : first + 500, None] - score)[is_pair]
    total += $loss.item()
    pairs += d.numel()
print(total / pairs)
"""
_OF_TORCH = {"hinge": f"F.relu({MARGIN} - d).sum()", "logistic": "F.softplus(-d, threshold=1000).sum()"}


def brute_force(path: Path, loss: str, file_format: str, jobs: int | None) -> Contestant:
    """PyTorch over all pairs of the one list of a file."""
    peer = PEERS["torch"]
    limit = Template(peer.limit).substitute(jobs=jobs) if jobs else ""
    script = Template(_BRUTE_FORCE).substitute(limit=limit, read=peer.read[file_format], loss=_OF_TORCH[loss])
    return Contestant("PyTorch, all pairs", (sys.executable, "-c", script, str(path)))
