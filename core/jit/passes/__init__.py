"""Table of contents of the passes: what turns a graph into an equal one that runs faster."""

from __future__ import annotations

from ..graph import Graph
from .absorb import absorb
from .attention import find_attention
from .joint import join_products
from .norm_relu import fuse_norm_relu
from .normal import normalise, spatial_means
from .tidy import drop_unused, merge_equal


def optimise(graph: Graph) -> Graph:
    """All passes in their order; changes the graph and returns it."""
    drop_unused(graph)
    merge_equal(graph)
    normalise(graph)
    spatial_means(graph)
    absorb(graph)
    find_attention(graph)
    join_products(graph)
    fuse_norm_relu(graph)
    drop_unused(graph)
    return graph
