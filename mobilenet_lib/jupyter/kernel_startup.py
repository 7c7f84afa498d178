"""Runs in each kernel that `mobilenet-course` starts, before its first cell (as PYTHONSTARTUP; leaves no name behind)."""

try:
    import mobilenet_lib

    del mobilenet_lib
except ImportError:  # another Python's kernel, or its terminal
    pass
