"""What every part of the library needs and no reader of the course does: files, checks of arguments, Paddle's import."""
