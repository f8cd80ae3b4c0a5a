"""A user's own loss function, held to the suite: how it is imported and called, what it gives, and what explains that.

`loading` imports MODULE:NAME, `conventions` reads from the signature how it is called, `arrays` hands over NumPy arrays
or tensors, `checking` holds what comes back to the right losses, `mistakes` names what is wrong with it.
"""

from mrl_cli.verify.functions.checking import Suite
from mrl_cli.verify.functions.loading import loaded

__all__ = ["Suite", "loaded"]
