"""Ranking losses of pairs and ranked lists: computed exactly, compared, explained and pictured.

For reward and ranking models, whose scores say which of two answers, or which order of many, is better:

    import mrl_cli
    mrl_cli.margin_ranking_loss([0.5, 1.0], [0.25, 2.0], y=1, margin=0.5)      # 0.875, of arrays
    result = mrl_cli.evaluate(frame, x1="chosen", x2="rejected", y_const=1)    # of a DataFrame: loss, accuracy, ...
    mrl_cli.compare(frame, x1_b="b1", x2_b="b2")["difference"]                 # model a less model b, with an interval
    mrl_cli.evaluate_lists(frame, query="q", label="grade", score="s")         # of ranked lists

`list_losses()` lists the losses and `list_presets()` the producers of files that `preset` knows. Results are dicts and
lists that print as tables and that a notebook shows with a plot; notes on the data are warnings, MrlWarning. The
command line is `mrl`, on files of any size: `mrl help`.

All of it is loaded when it is first used, so that `mrl --version` and `mrl --help` import neither NumPy nor pyarrow.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrl_cli.api.arrays import (
        MarginRankingLoss,
        margin_ranking_loss,
        margin_ranking_loss_grad,
        pairwise_loss,
        pairwise_loss_grad,
        sweep,
    )
    from mrl_cli.api.frames import compare, evaluate
    from mrl_cli.api.lists import evaluate_lists
    from mrl_cli.api.page import report
    from mrl_cli.api.presets import list_losses, list_presets
    from mrl_cli.api.ranks import rank_loss, rank_loss_grad, rank_sweep
    from mrl_cli.api.validation import validate
    from mrl_cli.errors import MrlWarning
    from mrl_cli.verify.reference import (
        validate_margin_ranking_loss,
        validate_margin_ranking_loss_exact,
        validate_rank_loss,
    )

__version__ = "0.1.0"
__all__ = [
    "MarginRankingLoss",
    "MrlWarning",
    "__version__",
    "compare",
    "evaluate",
    "evaluate_lists",
    "list_losses",
    "list_presets",
    "margin_ranking_loss",
    "margin_ranking_loss_grad",
    "pairwise_loss",
    "pairwise_loss_grad",
    "rank_loss",
    "rank_loss_grad",
    "rank_sweep",
    "report",
    "sweep",
    "validate",
    "validate_margin_ranking_loss",
    "validate_margin_ranking_loss_exact",
    "validate_rank_loss",
]

# Where a public name lives that is not in `api.arrays`.
_ROOMS = dict.fromkeys(("compare", "evaluate"), "api.frames")
_ROOMS |= {"evaluate_lists": "api.lists", "report": "api.page", "MrlWarning": "errors"}
_ROOMS["validate"] = "api.validation"
_ROOMS |= dict.fromkeys(("list_losses", "list_presets"), "api.presets")
_ROOMS |= {name: "api.ranks" for name in __all__ if name.startswith("rank_")}
_ROOMS |= {name: "verify.reference" for name in __all__ if name.startswith("validate_")}


def modules_in(folder: str) -> list[str]:
    """Return the names of the modules in a folder, sorted, without importing any: that is how rooms find what is new.

    >>> "bootstrap" in modules_in(os.path.join(__path__[0], "statistics"))
    True
    """
    files = (file for file in os.listdir(folder) if file.endswith(".py") and file != "__init__.py")
    return sorted(file.removesuffix(".py") for file in files)


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"mrl_cli.{_ROOMS.get(name, 'api.arrays')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
