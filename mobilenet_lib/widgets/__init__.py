"""Explorers: a layer to touch instead of a formula to read.

    widgets.convolution_stepper()   a window moves over numbers, and every product is written out
    widgets.cost_explorer()         sliders for one layer, and its cost three ways
    widgets.groups_explorer()       which channels feed which, and the weights that this leaves
    widgets.architecture_explorer() V1 and V2 drawn from their tables, with the cost of every layer
    widgets.design_explorer()       a design, its budget, and its place among trained ones
    widgets.manifold_explorer()     a spiral through n random channels and a ReLU, and back
    widgets.try_your_own(…)         a form for your own photo, and what a network says to it

In a live notebook an explorer answers at once, in the browser (the JavaScript beside this file repeats the arithmetic
of `cost`, and a test compares the two); its sliders are its attributes in Python. Everywhere else, in tests and on
pages, the same cell shows its static twin: a figure and a table of the same costs.

Introduced in lesson 01; groups in lesson 02; architectures in lessons 04 and 06; the spiral in lesson 05; designs in
09.
"""

from mobilenet_lib.widgets._architecture import ArchitectureExplorer, architecture_explorer
from mobilenet_lib.widgets._costs import CostExplorer, cost_explorer
from mobilenet_lib.widgets._design import DesignExplorer, design_explorer
from mobilenet_lib.widgets._explorer import Explorer
from mobilenet_lib.widgets._groups import GroupsExplorer, groups_explorer
from mobilenet_lib.widgets._manifold import ManifoldExplorer, manifold_explorer
from mobilenet_lib.widgets._passes import KINDS
from mobilenet_lib.widgets._photo_form import try_your_own
from mobilenet_lib.widgets._stepper import ConvolutionStepper, convolution_stepper

__all__ = ["KINDS", "ArchitectureExplorer", "ConvolutionStepper", "CostExplorer", "DesignExplorer", "Explorer"]
__all__ += ["GroupsExplorer", "ManifoldExplorer", "architecture_explorer", "convolution_stepper", "cost_explorer"]
__all__ += ["design_explorer", "groups_explorer", "manifold_explorer", "try_your_own"]
