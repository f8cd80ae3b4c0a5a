"""The commands of `mrl`, one module each; each module's `command` is its click command."""
