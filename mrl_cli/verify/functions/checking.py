"""Holding a user's function to the suite: losses, sum, mean and gradients of every trial, and its inputs afterwards."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mrl_cli.exact import ExactSum
from mrl_cli.losses import LOSSES
from mrl_cli.reports.validate import CheckResult, Mismatch, Validation, apart
from mrl_cli.verify.functions.caller import Caller, FunctionError, Held, RaisedError, Slope
from mrl_cli.verify.functions.gradients import Gradients
from mrl_cli.verify.functions.loading import place_of
from mrl_cli.verify.functions.mistakes import explanations_of
from mrl_cli.verify.validators import Compared, Tolerance, check_of, compared, merged
from mrl_cli.verify.vectors import Vector, trials

if TYPE_CHECKING:
    from mrl_cli.dtypes import Doubles, Mask
    from mrl_cli.model import Plan


RETURNED = "your function returns"
INPUTS_CHECK, CALL_CHECK = "inputs stay as they are", "call"
PLAIN = "test_nn/0.5"  # the name of a trial of a few pairs, most of which cost something
MISMATCHES_OF_A_KIND, MISMATCHES_SHOWN = 4, 10
# Right implementations round in another order: by so many ulps of the largest number in a pair, or, where exponentials
# and logarithms come in, by such a share of it (PyTorch's softplus is linear from 20 on, which loses 1e-10).
EPS = {name: float(np.finfo(name).eps) for name in ("float64", "float32")}
# Some libraries (XLA) take numbers below the smallest normal one for 0.
FLUSHED = {name: 4 * float(np.finfo(name).smallest_normal) for name in EPS}
ULPS, SMOOTH_ROOM = 16, {"float64": 1e-9, "float32": 1e-5}


class Suite:
    """One run of the suite on a function, under the loss and labels of a plan; `reference` is what it is called.

    `margin` is the only one to try, `dtype` that of the arrays handed over; None for all of the suite's. Without a
    `tolerance` numbers may be apart by what rounding in another order gives.
    """

    def __init__(
        self,
        reference: str,
        function: Any,
        plan: Plan,
        *,
        margin: float | None = None,
        dtype: str | None = None,
        tolerance: Tolerance | None = None,
    ) -> None:
        self._reference, self._function, self._plan = reference, function, plan
        self._margin, self._dtype, self._allowed = margin, dtype, tolerance
        self._checks: dict[str, CheckResult] = {}
        self._mismatches: dict[str, list[Mismatch]] = {}
        self._held: list[Held] = []
        self._not_taken: dict[str, str] = {}
        self._kinds_noted: set[str] = set()
        self._is_smooth = LOSSES[plan.loss.name].power == 0
        path, self._line = place_of(function)
        self._path = path or reference

    def validation(self) -> Validation:
        """Return the checks, and what explains those that failed.

        Raises UsageError for a signature that leaves open which parameter is which.
        """
        try:
            self._caller = Caller(self._function, self._plan, self._margin)
        except FunctionError as error:
            return self._validation([CheckResult(CALL_CHECK, passed=False, pairs=0, note=str(error))])
        self._gradients = Gradients(self._caller)
        for trial in trials(self._plan, self._caller.margin, self._dtype):
            self._hold(trial)
        changed = len(self._caller.changed)
        self._enter(CheckResult(INPUTS_CHECK, not changed, self._caller.calls, mismatches=changed))
        checks = list(self._checks.values())
        explained = explanations_of(self._held, self._caller, self._plan)
        if explained:  # which says more than that something is off
            checks = [replace(check, note=None) for check in checks]
        return self._validation(checks, explanations=tuple(explained), notes=tuple(self._notes()))

    def _validation(self, checks: list[CheckResult], **others: Any) -> Validation:
        firsts = [one for found in self._mismatches.values() for one in found][:MISMATCHES_SHOWN]
        return Validation(
            function=self._reference,
            **self._plan.settings("loss", "parameters", "labels"),
            passed=all(check.passed for check in checks),
            pairs=sum(held.trial.x1.size for held in self._held),
            checks=tuple(checks),
            mismatches=tuple(firsts),
            mismatch_count=sum(check.mismatches for check in checks),
            **others,
        )

    def _notes(self) -> list[str]:
        caller = self._caller
        notes = [caller.text, self._gradients.words or "it has no gradients that could be held to anything"]
        if caller.margin is not None and self._margin is None and LOSSES[self._plan.loss.name].has_margin:
            notes.append(
                f"it has no parameter for the margin, which is taken to be {caller.margin:g}; --margin sets it"
            )
        return notes + [f"not taken, so not checked: {oddity} ({why})" for oddity, why in self._not_taken.items()]

    def _hold(self, trial: Vector) -> None:
        held = Held(trial)
        self._held.append(held)
        steps = {"losses": self._hold_losses, "sum and mean": self._hold_sums, "gradients": self._hold_gradients}
        for what, step in steps.items():
            try:
                step(held)
            except FunctionError as error:
                if trial.oddity and isinstance(error, RaisedError):
                    self._not_taken.setdefault(trial.oddity, str(error))
                    return
                pairs = max(1, trial.x1.size)
                note = self._noted(what, f"{what} of {trial.name}: {error}")
                self._enter(CheckResult(trial.family, False, trial.x1.size, 0.0, 0, pairs, note=note))
                if what == "losses":
                    return

    def _enter(self, check: CheckResult) -> None:
        self._checks = merged(self._checks, {check.name: check})

    def _noted(self, what: str, text: str) -> str | None:
        """Return a note, the first time that there is one of its kind."""
        is_first = what not in self._kinds_noted
        self._kinds_noted.add(what)
        return text if is_first else None

    def _hold_losses(self, held: Held) -> None:
        trial, caller = held.trial, self._caller
        if caller.reduces:
            held.losses = caller.single_losses(trial.handed, trial.margin)
        else:
            held.losses, held.dtype = caller.losses_of(trial.handed, trial.margin)
            shape = trial.shape
            if held.losses.shape != shape and (shape, held.losses.shape) != ((), (1,)):
                raise FunctionError(f"it returns shape {held.losses.shape} for pairs of shape {shape}")
        bad = self._compare("losses", trial, trial.losses, held.losses.reshape(-1), self._room(trial))
        held.are_wrong = held.are_wrong if bad is None else bad

    def _room(self, trial: Vector) -> Doubles:
        """Return how far a loss may be off for rounding in another order."""
        room = self._share(trial)
        with np.errstate(all="ignore"):
            slopes = np.abs(trial.gradients)
            terms = [np.abs(values.astype(np.float64)) * room for values in (trial.x1, trial.x2)]
            smooth = self._curvature(trial) * ULPS * EPS[trial.dtype] if self._is_smooth else 0.0
            moved = slopes * terms[0] + slopes * terms[1]  # not added up before: they may be the largest numbers
            return np.asarray(moved + (np.abs(trial.losses) + abs(trial.margin)) * room + smooth + FLUSHED[trial.dtype])

    def _share(self, trial: Vector) -> float:
        return SMOOTH_ROOM[trial.dtype] if self._is_smooth else ULPS * EPS[trial.dtype]

    def _compared(self, right: Doubles, got: Doubles, dtype: str, room: Any) -> Compared:
        tolerance = Tolerance(0.0, room) if self._allowed is None else self._allowed
        return compared(right, got, dtype, tolerance=tolerance)

    def _compare(self, what: str, trial: Vector, right: Doubles, got: Doubles, room: Doubles) -> Mask | None:
        """Enter a check of one number of each pair; return which differ, None for none."""
        with np.errstate(over="ignore"):  # what was computed in a wider float
            got = got.astype(trial.dtype).astype(np.float64)
        differ = self._compared(right, got, trial.dtype, room)
        self._enter(check_of(trial.family, right.size, differ))
        if differ.bad is None:
            return None
        first = self._mismatches.setdefault(what, [])
        for place in np.flatnonzero(differ.bad)[: MISMATCHES_OF_A_KIND - len(first)].tolist():
            x1, x2, y = (float(values[place]) for values in (trial.x1, trial.x2, trial.labels))
            name = f"{what} of {trial.name}"
            pair = x1, x2, y, trial.margin, float(right[place]), float(got[place])
            first.append(Mismatch(name, self._path, self._line, *pair, whose=RETURNED))
        return differ.bad

    def _hold_sums(self, held: Held) -> None:
        """Hold sum and mean to the right ones, where the function can be asked for them and they do not overflow."""
        trial, caller = held.trial, self._caller
        if caller.takes_one_pair or not (caller.reduces or "reduction" in caller.convention.roles):
            return
        total, largest = float(ExactSum.of(trial.losses)), float(np.finfo(trial.dtype).max)
        if np.isfinite(trial.losses).all() and float(ExactSum.of(np.abs(trial.losses))) >= largest:
            return
        right = {"sum": total, "mean": total / trial.losses.size if trial.losses.size else math.nan}
        for name in (self._own_reduction,) if caller.reduces else right:
            held.reduced[name] = caller.losses_of(trial.handed, trial.margin, name).values
            self._compare_number(name, held, right[name], held.reduced[name])

    @cached_property
    def _own_reduction(self) -> str:
        """Whether a function that reduces adds up or averages: what it gives for a few pairs is nearer to that."""
        caller = self._caller
        trial = next(trial for trial in trials(self._plan, caller.margin, self._dtype) if trial.name.startswith(PLAIN))
        alone = caller.single_losses(trial.handed, trial.margin)
        whole = caller.losses_of(trial.handed, trial.margin).values
        off = abs(float(whole.mean()) - alone.sum()), abs(float(whole.mean()) - alone.mean())
        return "sum" if off[0] < off[1] else "mean"

    def _compare_number(self, name: str, held: Held, right: float, got: Doubles) -> None:
        trial = held.trial
        if got.shape not in ((), (1,) if trial.shape == (1,) else ()):
            raise FunctionError(f"reduction {name!r} returns shape {got.shape}, not one number")
        pairs = max(1, trial.x1.size)
        with np.errstate(all="ignore"):
            room = float(self._room(trial).sum()) + pairs * EPS[trial.dtype] * float(np.abs(trial.losses).sum())
        room = room / pairs if name == "mean" else room
        differ = self._compared(np.array([right]), got.reshape(1), trial.dtype, room)
        text = f"{name} of {trial.name}: {apart(repr(right), repr(float(got.flat[0])), RETURNED)}"
        note = self._noted("reduced", text) if differ.mismatches and "losses" not in self._mismatches else None
        self._enter(check_of(trial.family, 1, differ, note=note))

    def _hold_gradients(self, held: Held) -> None:
        """Hold the gradients to the right ones, where there are any."""
        trial = held.trial
        if not trial.is_finite or not trial.x1.size:
            return
        for reduction, found in self._gradients.of(trial).items():
            is_mean = reduction == "mean" or (self._caller.reduces and self._own_reduction == "mean")
            scale = 1 / trial.x1.size if is_mean else 1.0
            of_losses = trial.gradients if self._caller.takes_y else trial.gradients * trial.y
            with np.errstate(all="ignore"):
                room = scale * self._share(trial) * (np.abs(of_losses) + self._curvature(trial))
                distance = np.abs(trial.margin - trial.y * (trial.x1 - trial.x2))
                room[(distance > 0) & (distance < FLUSHED[trial.dtype])] = math.inf  # flushed, it is the kink
            what = "gradients" if reduction == "none" else f"gradients of the {reduction}"
            held.slopes[reduction] = []
            for leaf, own, part in zip(self._gradients.leaves, found, (scale, -scale), strict=False):
                right = part * of_losses
                bad = self._compare(f"{what} for {leaf}", trial, right + 0.0, own + 0.0, room)
                held.slopes[reduction].append(Slope(own, right, part, 0 if bad is None else int(bad.sum())))

    def _curvature(self, trial: Vector) -> Doubles:
        """Return how far a gradient moves with a rounded score: not at all for the hinge."""
        power = LOSSES[self._plan.loss.name].power
        scale = {1: 0.0, 2: 2.0}.get(power, float(np.abs(trial.gradients).max(initial=1.0)))
        terms = np.abs(trial.x1.astype(np.float64)) + np.abs(trial.x2) + abs(trial.margin)
        return np.asarray(scale * terms if scale else np.zeros(terms.size))
