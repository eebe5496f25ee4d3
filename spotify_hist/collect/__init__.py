"""Brings records from the sources into the store, losing none."""
