"""Spotify's Web API: login, tokens, requests, answers."""
