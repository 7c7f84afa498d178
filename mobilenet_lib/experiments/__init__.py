"""The rigs of single lessons, and `recorded/`: what the lessons load instead of measuring it."""
