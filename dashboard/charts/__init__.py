"""Typed rows into figures, in one visual language. Knows nothing of the screen around it."""
