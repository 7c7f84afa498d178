"""For whoever teaches the course: copies with and without answers, a class report, measured times, a guide, slides.

    uv run python -m mobilenet_lib.teaching --help

Each command reads the course and writes into a folder that is named. Nothing here imports Paddle.
"""
