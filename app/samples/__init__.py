"""Samples: features like any other, which `SAMPLES=off` turns off."""
