"""Views the questions stand on."""
