"""The Python calls that `recorder.py` makes: expressions over the public names of `mrl_cli`, NumPy and pandas."""

from __future__ import annotations

import inspect
import math
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

import mrl_cli
from tests.recorder_cases import lines_in
from tests.recorder_inputs import columns_of, rows_of

CALLS = """
[name for name in dir(mrl_cli)] + mrl_cli.__all__
mrl_cli.no_such_name
parameters_of({MarginRankingLoss,compare,evaluate,margin_ranking_loss,margin_ranking_loss_grad,pairwise_loss,
    pairwise_loss_grad,sweep,validate_margin_ranking_loss,validate_margin_ranking_loss_exact})
{margin_ranking_loss,margin_ranking_loss_grad}(X1, X2, Y, margin=0.5, reduction="{mean,sum,none}")
{margin_ranking_loss,margin_ranking_loss_grad}(single(X1), single(X2), Y, margin=0.1, reduction="{mean,none}")
{margin_ranking_loss,margin_ranking_loss_grad}(single(X1), single(X2), np.array(Y, float), margin=0.1)
{margin_ranking_loss,
    margin_ranking_loss_grad}(np.array(X1, np.float16), np.array(X2, np.float16), Y, reduction="none")
{margin_ranking_loss,margin_ranking_loss_grad}(X1, X2, Y, reduction={"Mean",None,""})
{margin_ranking_loss,margin_ranking_loss_grad}(X1, X2[:3], Y)
{margin_ranking_loss,margin_ranking_loss_grad}({[],1.0,["1"],[True],[1j],[None],np.ma.array([1.0])}, {[],1.0,
    [1.0]}, 1)
margin_ranking_loss([], [], [], reduction="{mean,sum,none}")
margin_ranking_loss(np.array([127], np.int8), np.array([-128], np.int8), [-1])
margin_ranking_loss(pd.Series(X1), pd.Series(X2), pd.Series(Y), margin=X1[0], reduction="none")
margin_ranking_loss(frame.x1, frame.x2, frame.y, margin=frame.m)
margin_ranking_loss(np.reshape(X1[:4], (2, 2)), np.reshape(X2[:4], (2, 2)), np.reshape(Y[:4], (2, 2)), reduction="none")
margin_ranking_loss([math.nan, math.inf, 1e308], [0.0, 0.0, -1e308], [1, 1, -1], reduction="{mean,none}")
margin_ranking_loss([1.0], [1.0], [1], margin={"1",True,None,1j,math.nan,-1})
MarginRankingLoss({,0.5,margin=1 reduction="sum",margin="1",reduction="max"}){,(X1 X2 Y),.grad(X1 X2 Y)}
pairwise_loss{,_grad}(X1, X2, Y, loss="{@losses}", reduction="{mean,none}")
pairwise_loss{,_grad}(single(X1), single(X2), Y, loss="{@losses}", weight=W)
pairwise_loss{,_grad}(X1, X2, Y, loss="logistic", margin=W, weight=W, temperature=0.5, reduction="{mean,sum,none}")
pairwise_loss{,_grad}(X1, X2, Y, loss="robust_bradley_terry", label_smoothing=0.{1,5}, beta=2)
pairwise_loss{,_grad}([1.0], [0.0], [1], {loss="hinge",loss="ipo" margin=1,temperature=2,loss="logistic" beta=1,
    loss="logistic" temperature=0,loss="logistic" temperature="1",weight=[-1.0],weight=[math.nan],weight=[0.0],
    weight=[1.0 1.0],margin=[0.5 0.5]})
sweep(X1, X2, Y, [0.0, 0.5, 1.0], {,weight=W,loss="squared_hinge",loss="logistic" temperature=2,loss="ipo",
    loss="hinge",beta=1,weight=[1]})
sweep({X1,single(X1)}, {X2,single(X2)}, Y, {0.5,[],[[1.0]],["x"],[math.nan],[1e39]})
sweep([], [], [], [0.0, 1.0])
evaluate(frame, {,margin=0.5,margin_column="m",weight="w",margin=0.5 dtype="float32",reduction="sum",confidence=0.9,
    cluster="p",cluster="p" confidence=0.5})
evaluate(frame, margin=0.5, group_by={"g","y","x1"}, {,weight="w",confidence=0.95,cluster="p",
    reduction="sum" dtype="float32"})
evaluate(frame, loss="{@losses}")
evaluate(frame, loss="logistic", temperature={2,0,"x"})
evaluate(frame{,.astype("Float64" errors="ignore"),.assign(g=frame.g.astype("category")),.assign(g=frame.y*0.5),
    .assign(g=None),.convert_dtypes(dtype_backend="pyarrow")}, group_by="g")
evaluate(frame, y="{l01,real,half,g}", {,labels="01",labels="any"})
evaluate(frame, y_const={1,-1,0})
evaluate(small(y=[1, 0, -1]), {,on_tie="drop"})
evaluate(small(x{1,2}={[0.5 math.nan 1.0],[0.5 math.inf 1.0],pd.array([0.5 None 1.0] dtype="Float64"),
    objects(["0.5" 1.0 None]),objects([0.5 2**53+1 1]),np.array([1 2**53+1 2] np.uint64),
    objects([Decimal("sNaN") Decimal("1e400") Fraction(10)**400]),objects([1.0 True 2.0]),
    objects([Decimal("0.1") Fraction("1/3") 2]),["a" "b" "c"],pd.to_datetime(["2024"]*3),[1j 2j 3j],
    [True False True]}))
evaluate(small(y={[1 2 1],[1 0 1],[0.5 1 1],[True True False],[1 math.nan 1],["1" "1" "1"]}))
evaluate(small(x1=[0.5, math.nan, 1.0], index={["a" "b\\x1b" "c"],[7 8 9]}))
evaluate(small(w=[-1, 0, 1]), weight="w")
evaluate(small(w=[0, 0, 0]), weight="w")
evaluate(small().head(0))
evaluate(small(y=[0, 0, 0]), on_tie="drop")
evaluate(twice, **dict(x2="y", y="x1") | dict({x1="X2",y="label",weight="x",x2="x2",group_by=3,labels="10",
    reduction="none",dtype="float16",on_tie="keep",loss="hinge",temperature=1.0,y_const=0,y=None,x1=None,
    confidence=95,cluster="y" weight="y",margin=math.nan,margin=[1.0],margin=1.0 margin_column="x1",
    margin=1.0 loss="ipo",margn=1}))
evaluate({[1 2],None,frame.x1})
compare(frame, x1_b="u", x2_b="v", {,margin=0.5,cluster="p",bootstrap=0,seed=3 bootstrap=20,confidence=0.5,
    dtype="float32",margin_column="m",y_const=1,loss="logistic" temperature=2,y="l01" labels="01",
    loss="margin_mse" y="real"})
compare(frame, **dict(x1_b="u", x2_b="v") | dict({x1_b="U",x2_b=None,bootstrap=-1,bootstrap=1.5,bootstrap=True,
    bootstrap=10**7,seed=-1,confidence=0,cluster="q",loss="hinge",weight="w",y="real",y_const=2}))
compare({frame.head(0),frame.head(1),frame.assign(u=math.nan)}, x1_b="u", x2_b="v")
validate_margin_ranking_loss{,_exact}(X1, X2, Y, {0.0,0.5,W}, "{mean,sum,none}")
validate_margin_ranking_loss{,_exact}({[],[1.0 2.0],["1"],[math.inf]}, {[],[1.0]}, {[],[1]}, 0.5)
validate_margin_ranking_loss{,_exact}(X1, X2, Y, 0.5, "max")
validate_margin_ranking_loss(X1, X2, Y, 0.1, "mean", {"float32",dtype="float32",dtype="float16"})
"""

_ROWS = rows_of(60, seed=11)
X1, X2, Y, W = ([row[name] for row in _ROWS[:12]] for name in ("x1", "x2", "y", "w"))


def _small(index: Any = None, **changed: Any) -> pd.DataFrame:
    return pd.DataFrame({"x1": [0.5, 1.0, 2.0], "x2": [0.0, 0.0, 0.0], "y": [1, 1, -1]} | changed, index=index)


def _parameters_of(function: Any) -> list[str]:
    """Return names, kinds and defaults; annotations are no part of what a caller sees."""
    return [str(given.replace(annotation=given.empty)) for given in inspect.signature(function).parameters.values()]


def _names() -> dict[str, Any]:
    names = {name: getattr(mrl_cli, name) for name in mrl_cli.__all__ if name != "__version__"}
    helpers = {"parameters_of": _parameters_of, "small": _small, "single": lambda values: np.array(values, np.float32)}
    data = {"X1": X1, "X2": X2, "Y": Y, "W": W, "frame": pd.DataFrame(columns_of(_ROWS))}
    twice = pd.DataFrame([[0.5, 0.0, 1, 2.0]], columns=["x1", "x2", "y", "x2"])
    modules = {"mrl_cli": mrl_cli, "np": np, "pd": pd, "math": math, "Decimal": Decimal, "Fraction": Fraction}
    return names | helpers | data | modules | {"twice": twice, "objects": lambda cells: pd.Series(cells, dtype=object)}


def made() -> dict[str, dict[str, Any]]:
    """Make every call; return of each what it gives or raises, with the warnings."""
    names = _names()
    return {f"python: {call}": _made(call, names) for call in calls()}


def calls() -> list[str]:
    """Return the expressions. Within a choice, a blank stands for a comma."""
    return list(dict.fromkeys(lines_in(CALLS, blank=", ")))


def _made(call: str, names: dict[str, Any]) -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            outcome = {"result": _plain(eval(call, dict(names)))}
        except Exception as error:  # noqa: BLE001 (what it is, is what is kept)
            outcome = {"raised": f"{type(error).__name__}: {error}"}
    return outcome | {"warnings": [f"{warning.category.__name__}: {warning.message}" for warning in warned]}


def _plain(value: Any) -> Any:
    """Return a result as JSON holds it, each number with all its digits and each type by its name."""
    if isinstance(value, np.ndarray):
        return {"dtype": str(value.dtype), "shape": list(value.shape), "values": repr(value.tolist())}
    if isinstance(value, pd.DataFrame):
        columns = {repr(name): [str(value[name].dtype), repr(value[name].tolist())] for name in value.columns}
        index = [type(value.index).__name__, str(value.index.dtype), repr(value.index.name), repr(value.index.tolist())]
        return {"columns": columns, "index": index, "attrs": _plain(value.attrs)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return {type(value).__name__: [_plain(item) for item in value]}
    return repr(value)
