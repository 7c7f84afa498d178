"""What every part of the library needs and no reader of the course does: files, arguments, Paddle's import."""
