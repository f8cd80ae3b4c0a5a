"""Settings of the tests: how long an example takes says nothing on a machine that others share."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
