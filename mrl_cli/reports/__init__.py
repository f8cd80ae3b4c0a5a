"""Reports: what a command says, as a record."""
