"""`python -m mrl_cli` is `mrl`."""

from mrl_cli.start import process

if __name__ == "__main__":
    process()
