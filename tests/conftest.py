"""Settings of the tests: how long an example takes says nothing on a machine that others share."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from mrl_cli import native

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use the compiled reader whatever MRL_NATIVE says; skip the test where it is not installed."""
    if importlib.util.find_spec("mrl_cli.native._fields") is None:
        pytest.skip("the compiled reader is not installed")
    monkeypatch.setenv(native.VARIABLE, "1")
    native.fields.cache_clear()
    yield
    native.fields.cache_clear()
