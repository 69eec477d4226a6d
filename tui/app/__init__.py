"""The terminal app: pick implementations, turn the shape's parameters, watch."""
