"""A network that leaves the notebook, lesson 11: files, inference runtimes, the learner's own photos."""
