"""Owns the first moment of the process: its descriptors, and what Ctrl-C does from the start.

Never knows a command. Nothing heavy is imported before that is settled.
"""

import os
import sys


def open_missing_descriptors() -> None:
    """Put the null device where stdin, stdout or stderr is closed.

    The next file that is opened would take its number, and what is said would be written into it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            mode = "r" if descriptor == 0 else "w"
            stream = open(descriptor, mode, encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)


try:
    open_missing_descriptors()
    from spotify_hist import interrupts

    interrupts.install()
except KeyboardInterrupt:
    os.write(2, b"Stopped.\n")
    os._exit(130)


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from spotify_hist.faces.cli.main import main as command_line

    command_line()


if __name__ == "__main__":
    main()
