"""``python -m conductor_lite``: the same as the command ``conductor-lite``."""

from conductor_lite.cli.main import main

main()
