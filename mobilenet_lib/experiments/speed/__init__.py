"""Time measured properly, lesson 07: latency with its spread, layer by layer, and MACs per byte."""
