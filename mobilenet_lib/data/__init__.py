"""Images to train on: CIFAR-10, a bundled part of Fashion-MNIST, or any folder of images, each as an `ImageSet`.

Introduced in lesson 08.
"""

from mobilenet_lib.data.cifar10 import ArchiveError
from mobilenet_lib.data.folders import FolderError, ImageError
from mobilenet_lib.data.image_sets import MAX_SHIFT, NAMES, SPLITS, ImageSet, augment, load, normalise

__all__ = ["MAX_SHIFT", "NAMES", "SPLITS", "ArchiveError", "FolderError", "ImageError", "ImageSet"]
__all__ += ["augment", "load", "normalise"]
