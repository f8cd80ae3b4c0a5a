"""Settings of the tests: what makes them quick, and fair on a machine that others share."""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mrl_cli import native
from tests import each
from tests.running import Mrl, run_inside

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

settings.register_profile("untimed", deadline=None, max_examples=50)  # how long one takes says nothing here
settings.register_profile("quick", deadline=None, max_examples=10)  # as tests.each: less in the quick tests
settings.load_profile("untimed")
gc.disable()  # until all tests are collected: nothing of what is made for them is garbage

BYTECODE = "FOLDER_OF_BYTECODE"
NOT_SLOW = "not slow"
ALL_SLOW = "\npytestmark = pytest.mark.slow"


def pytest_configure(config: pytest.Config) -> None:
    """Let the quick tests try less, and keep the bytecode of the many processes that tests start where none may be."""
    each.is_quick = config.option.markexpr == NOT_SLOW
    if each.is_quick:
        settings.load_profile("quick")
    if sys.dont_write_bytecode:
        _keep_bytecode(config)


def _keep_bytecode(config: pytest.Config) -> None:
    """Keep it with pytest's cache, for the next run too: rewriting assertions is half of the time to collect."""
    if BYTECODE not in os.environ:
        cache: pytest.Cache | None = getattr(config, "cache", None)
        folder = tempfile.TemporaryDirectory(prefix="bytecode-")
        config.add_cleanup(folder.cleanup)
        os.environ[BYTECODE] = str(cache.mkdir("bytecode")) if cache else folder.name
    if not config.getoption("numprocesses", None):  # a process that runs tests itself
        os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = os.environ[BYTECODE]
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        sys.dont_write_bytecode = False


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even read a helper without examples, nor, in a run of the quick tests, a file whose tests are all slow."""
    if collection_path.suffix != ".py":
        return None
    text = collection_path.read_text("utf-8")
    if collection_path.name.startswith("test_"):
        return (each.is_quick and ALL_SLOW in text) or None
    return ">>>" not in text or None


def pytest_collection_finish() -> None:
    """Have the collector of garbage pass over the thousands of tests and their modules from now on, and run seldom."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use the compiled reader whatever MRL_NATIVE says; skip the test where it is not installed."""
    if importlib.util.find_spec("mrl_cli.native._fields") is None:
        pytest.skip("the compiled reader is not installed")
    monkeypatch.setenv(native.VARIABLE, "1")
    native.fields.cache_clear()
    yield
    native.fields.cache_clear()


@pytest.fixture
def mrl(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mrl:
    """Run mrl in this process, in a folder that is empty so far."""
    monkeypatch.chdir(tmp_path)
    return lambda *args, **how: run_inside(args, capfd, **how)
