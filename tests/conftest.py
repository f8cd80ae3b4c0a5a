"""Settings of the tests: how long an example takes says nothing on a machine that others share."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the compiled reader whatever MRL_NATIVE says; skip the test where it is not installed."""
    if importlib.util.find_spec("mrl_cli.native._fields") is None:
        pytest.skip("the compiled reader is not installed")
    monkeypatch.setenv("MRL_NATIVE", "1")
