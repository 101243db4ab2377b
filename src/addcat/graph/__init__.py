"""The graph of a model, frozen and framework-free, and what can be said of any graph without knowing a framework."""

from addcat.graph.core import Array, Blocked, Edge, Graph, Node, Refusal, Shape, Tensor, Weight

__all__ = ["Array", "Blocked", "Edge", "Graph", "Node", "Refusal", "Shape", "Tensor", "Weight"]
