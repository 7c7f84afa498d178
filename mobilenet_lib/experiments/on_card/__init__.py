"""What takes a graphics card: the article's protocol at its own 224×224 pixels, a longer recipe on CIFAR-10, its calls.

Computed by PyTorch, from the same tables as everything else, with an interpreter that has PyTorch for CUDA; it needs no
Paddle. The course loads what `python -m mobilenet_lib.experiments.on_card` recorded, and needs neither
PyTorch nor a card.
"""
