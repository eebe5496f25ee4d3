"""How people and programs reach the history: terminal and server."""
