"""Measures of the 2D half, each defined in one place, with its source."""
