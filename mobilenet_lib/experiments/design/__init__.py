"""Design your own, lesson 09: a network as a few choices, its budget, the Pareto front, and a card to keep."""

from mobilenet_lib.experiments.design.card import trade_off, write_card
from mobilenet_lib.experiments.design.designs import (
    COSTS,
    TRAINED,
    TRAININGS,
    Budget,
    Design,
    front,
    pareto_front,
    recorded,
    run_names,
    trained,
)

__all__ = ["COSTS", "TRAINED", "TRAININGS", "Budget", "Design", "front", "pareto_front", "recorded", "run_names"]
__all__ += ["trade_off", "trained", "write_card"]
