"""Numbered migrations, one transaction each, never edited once released."""
