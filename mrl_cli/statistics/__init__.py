"""Statistics: intervals, the bootstrap, tests."""
