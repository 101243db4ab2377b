"""Running ONNX models: a runtime to measure in, and a float64 reference to check against."""
