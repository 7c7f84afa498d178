"""A network that leaves the notebook, lesson 10: files, inference runtimes, the learner's own photos."""
