"""Recorded runs and measurements; `python -m mobilenet_lib.experiments.recorded --list` names what makes them again."""
