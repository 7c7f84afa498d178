"""Low precision, lesson 10: quantisation, batch norm folded away, and a recorded sweep over bits."""
