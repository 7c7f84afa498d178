"""Runs before the first cell of each kernel that `mobilenet-course` starts (PYTHONSTARTUP). Leaves no name behind."""

try:
    from mobilenet_lib.course import error_notes

    error_notes.watch()
    del error_notes
except ImportError:  # another Python's kernel, or its terminal
    pass
