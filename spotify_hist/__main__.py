"""Lets `python -m spotify_hist` be the command line."""

from spotify_hist.faces.cli.main import main

if __name__ == "__main__":
    main()
