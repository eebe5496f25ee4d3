"""What comes in: Spotify's API and exports. Knows nothing of the store."""
