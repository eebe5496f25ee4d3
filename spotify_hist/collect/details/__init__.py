"""Asking Spotify for the details of what was played: who asks, what comes of it, what it said."""
