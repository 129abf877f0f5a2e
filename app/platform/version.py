"""Which version of Latchkey this is."""

__version__ = "0.1.0"
