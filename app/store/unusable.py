"""The failure of a store that waiting does not mend."""


class UnusableStoreError(Exception):
    """The database answers, but this version of the service cannot work with it; the text says what to do."""
