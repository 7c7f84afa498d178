"""Low precision, lesson 03: quantisation, batch norm folded away, and a recorded sweep over bits."""
