"""One module per output format: `SUFFIXES` of its files, and `render(report, width, color)`: text, or pieces of it."""
