"""What a run leaves out of NumPy is there for whoever asks for it later, and other versions are imported whole."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrl_cli.runtime import cleandoc

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parent.parent / "sample_data" / "founding.csv"
RUN = """
import sys
from mrl_cli import cli, runtime
{first}
sys.argv = ["mrl", "compute", {path!r}, "--raw"]
try:
    cli.main()
except SystemExit:
    pass
left_out = [name for name in runtime._UNUSED_OF_NUMPY if f"numpy.{{name}}" not in sys.modules]
print(*left_out)
import numpy.typing
assert "float64" in str(numpy.typing.NDArray[numpy.float64])
assert numpy._typing.__file__
import pandas
print(pandas.DataFrame({{"a": [1, 2]}}).a.sum(), numpy.linalg.eigh(numpy.eye(2)).eigenvalues.sum())
"""


def lines_of(first: str) -> list[str]:
    script = RUN.format(first=first, path=str(SAMPLE))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.skipif(not np.__version__.startswith(("2.0.", "2.1.", "2.2.", "2.3.", "2.4.")), reason="a newer NumPy")
def test_what_no_run_uses_of_numpy_is_left_out() -> None:
    value, left_out, after = lines_of("")
    assert left_out.split() == ["_core._add_newdocs", "_core._add_newdocs_scalars", "_typing"]
    assert after == "3 2.0"
    assert value == lines_of("import numpy")[0]


def test_another_version_is_imported_whole() -> None:
    _, left_out, after = lines_of('runtime._KNOWN_NUMPY = ("version = 1",)')
    assert (left_out, after) == ("", "3 2.0")


UNUSED = """
import sys
assert "inspect" not in sys.modules
from mrl_cli import runtime
runtime.defer_unused()
from mrl_cli import cli
sys.argv = ["mrl", "compute", {path!r}, "--raw"]
try:
    cli.main()
except SystemExit:
    pass
print([name for name in (*runtime._HARDLY_USED, "dis") if getattr(sys.modules.get(name), "__file__", None)])
import inspect, numpy
from inspect import Signature
import numpy.ma
print(inspect.signature(numpy.dot), isinstance(numpy.dot.__signature__, Signature), inspect.isfunction(print))
import pickle
print(pickle.loads(pickle.dumps(numpy.arange(3))).sum(), sys.modules["pickle"].__file__ is not None)
"""


def test_what_click_and_numpy_hardly_use_is_left_out_until_it_is_used() -> None:
    call = [sys.executable, "-S", "-c", UNUSED.format(path=str(SAMPLE))]
    places = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(call, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": places})
    signature = str(inspect.signature(np.dot))
    assert done.stdout.splitlines()[1:] == ["[]", f"{signature} True False", "3 True"]


@given(st.text(" \t\nab"))
def test_texts_lose_their_indentation_as_by_inspect(doc: str) -> None:
    assert cleandoc(doc) == inspect.cleandoc(doc)
