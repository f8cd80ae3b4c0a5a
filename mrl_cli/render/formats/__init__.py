"""One module per output format: `SUFFIXES` of its files, and `render(report, width, color)`, which returns text."""
