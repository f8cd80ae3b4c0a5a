"""One module per output format: `SUFFIXES` of its files, and `render(report, screen)`: text, or pieces of it."""
