"""The Keras door: `read` a Functional or Sequential model, `write` a graph as a new one."""

from addcat.doors.keras.read import is_graph, read, reshape_inputs
from addcat.doors.keras.write import write

__all__ = ["is_graph", "read", "reshape_inputs", "write"]
