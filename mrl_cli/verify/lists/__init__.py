"""Is it right, of ranked lists? The loop over their pairs, on the suite's lists and on those of a user.

`sample` chooses whole lists in the pass, `checks` holds what the core found against the reference, `mistakes` explains
why a user's own figure is another one, `suite` is the part of the conformance suite that is lists.
"""
