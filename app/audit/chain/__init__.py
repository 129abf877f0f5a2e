"""The chain of all audit events: it shows whether one was changed, removed or inserted."""
