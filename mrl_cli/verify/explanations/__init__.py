"""Why a number differs: the known mistakes, tried on the data.

`HYPOTHESES` holds the mistakes that change every loss, one function each; `values` those that change how losses become
one value. `explain_column` and `explain_value` return which of them explain the user's losses or value, and never
more than the data can decide.
"""

from mrl_cli.verify.explanations.columns import explain_column
from mrl_cli.verify.explanations.hypotheses import HYPOTHESES, Case, losses_of, singles
from mrl_cli.verify.explanations.values import ValueParts, explain_value, value_parts

__all__ = ["HYPOTHESES", "Case", "ValueParts", "explain_column", "explain_value", "losses_of", "singles", "value_parts"]
