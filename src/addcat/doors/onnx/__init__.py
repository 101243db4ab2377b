"""The ONNX door: `read` a model or a file into a graph, `write` a graph as a new model.

It stands on onnx-ir, whose tensors are read lazily, so a model may be larger than memory.
"""
