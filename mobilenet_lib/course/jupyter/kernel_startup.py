"""Runs in each kernel that `mobilenet-course` starts, before its first cell (as PYTHONSTARTUP; leaves no name behind)."""

try:
    from mobilenet_lib.course import error_notes

    error_notes.watch()
    del error_notes
except ImportError:  # another Python's kernel, or its terminal
    pass
