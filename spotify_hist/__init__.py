"""Own your whole Spotify listening history: one DuckDB file, collected, reconciled, answered."""

__version__ = "0.1.0"
