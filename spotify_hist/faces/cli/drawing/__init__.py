"""Answers as text for a terminal: tables, grids of blocks, calendars and trends."""
