"""Holding the core to account: validators, what they found, and how many rows a file should have given."""

from mrl_cli.verify.grouped import groups_in_sum
from mrl_cli.verify.judgement import checks_of, number_check
from mrl_cli.verify.rows import rows_in
from mrl_cli.verify.sample import SampleVerifier
from mrl_cli.verify.validators import AGAINST, TOLERANCES, Pairs, Tolerance, compared, joined, pairs_of, ulps_apart
from mrl_cli.verify.verdict import LOSS_COLUMN_CHECK, Verdict, Verifier

__all__ = [
    "AGAINST",
    "LOSS_COLUMN_CHECK",
    "TOLERANCES",
    "Pairs",
    "SampleVerifier",
    "Tolerance",
    "Verdict",
    "Verifier",
    "checks_of",
    "compared",
    "groups_in_sum",
    "joined",
    "number_check",
    "pairs_of",
    "rows_in",
    "ulps_apart",
]
