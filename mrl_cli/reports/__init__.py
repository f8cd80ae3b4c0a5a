"""Reports: what a command prints, as a record."""
