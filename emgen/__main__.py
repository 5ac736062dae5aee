"""``python -m emgen``: the same as the ``emgen`` command."""

from emgen.cli import main

if __name__ == "__main__":
    main(prog_name="emgen")
