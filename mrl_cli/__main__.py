"""`python -m mrl_cli` is `mrl`."""

from mrl_cli.cli import main

if __name__ == "__main__":
    main()
