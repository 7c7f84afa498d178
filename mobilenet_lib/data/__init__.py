"""Images to train on: CIFAR-10, a bundled part of Fashion-MNIST, or any folder of images, each as an `ImageSet`.

And two photographs to look at. Introduced in lesson 00.
"""

from mobilenet_lib.data.cifar10 import ArchiveError
from mobilenet_lib.data.folders import FolderError, ImageError
from mobilenet_lib.data.image_sets import MAX_SHIFT, NAMES, SPLITS, ImageSet, augment, checksum, load, normalise
from mobilenet_lib.data.photographs import PHOTOGRAPHS, photograph

__all__ = ["MAX_SHIFT", "NAMES", "PHOTOGRAPHS", "SPLITS", "ArchiveError", "FolderError", "ImageError", "ImageSet"]
__all__ += ["augment", "checksum", "load", "normalise", "photograph"]
