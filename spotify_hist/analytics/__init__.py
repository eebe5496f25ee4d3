"""The catalogue of questions, each defined once as one .sql file."""
