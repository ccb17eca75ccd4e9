"""The engine: variables, symbolic tensors, graphs, layers, and the way to pure functions."""
