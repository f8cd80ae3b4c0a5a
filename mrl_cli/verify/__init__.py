"""All that asks "is it right?": validators, the verdict on what a pass computed, and why a user's numbers differ.

`Request` is what to check and `verifier_of` gives the reduction for it; `validation_of` makes a verdict a Validation.
"""

from mrl_cli.verify.rows import rows_in
from mrl_cli.verify.validation import validation_of, verifier_of
from mrl_cli.verify.verdict import Expectation, Request, Verdict, Verifier

__all__ = ["Expectation", "Request", "Verdict", "Verifier", "rows_in", "validation_of", "verifier_of"]
