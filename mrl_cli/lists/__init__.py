"""Ranked lists: what all pairs of a list come to, without writing the pairs out, and losses of a list as a whole.

Pairs of a list are all two of its items with different labels: the one with the higher label should have the higher
score. `base` holds lists and what they come to, `measure` chooses how it is computed.
"""
