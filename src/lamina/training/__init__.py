"""Training: what compile keeps, sources of data, compiled steps, the loop, callbacks."""
