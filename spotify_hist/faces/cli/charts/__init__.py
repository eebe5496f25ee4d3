"""Answers as pictures: self-contained SVG and HTML, without scripts and without requests."""
