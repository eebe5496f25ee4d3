"""The views that are promised to whoever writes SQL: names and columns stay what they are."""
