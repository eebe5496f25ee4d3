"""A local Spotify for the demo and the tests."""
