"""A card's queue: waiting for it, and capturing a call so that one command queues all of its kernels."""

from __future__ import annotations

from collections.abc import Callable

import torch


def wait(device: torch.device) -> None:
    """Until the card has done all that is queued; elsewhere a call has done its work when it returns."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def captured(call: Callable[[], object]) -> torch.cuda.CUDAGraph:
    """The kernels of a call, to be replayed on the memory that it used; it is called four times, three to warm up."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph
