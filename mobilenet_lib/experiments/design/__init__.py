"""Design your own, lesson 09: a network as a few choices, its budget, and the Pareto front."""

from mobilenet_lib.experiments.design.designs import *  # noqa: F403
