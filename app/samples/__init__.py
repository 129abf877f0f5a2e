"""Samples: features that plug in like any other, and can be turned off."""
