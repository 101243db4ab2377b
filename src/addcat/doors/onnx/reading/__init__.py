"""From an ONNX file to the words of the graph."""
