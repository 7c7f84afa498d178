"""Runs in each kernel before the first cell, as PYTHONSTARTUP (isolation.py), and leaves no name behind."""

import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
import no_network

del sys.path[0]
no_network.refuse()
del os, sys, no_network
