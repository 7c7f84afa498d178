"""Design your own, lesson 09: a network as a few choices, its budget, the Pareto front, and a card to keep."""

from mobilenet_lib.experiments.design.card import trade_off, write_card
from mobilenet_lib.experiments.design.designs import (
    COSTS,
    PAPERS_STRIDES,
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

__all__ = ["COSTS", "PAPERS_STRIDES", "TRAINED", "TRAININGS", "Budget", "Design", "front", "pareto_front", "recorded"]
__all__ += ["run_names", "trade_off", "trained", "write_card"]
