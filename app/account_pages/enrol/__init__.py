"""The page to add a second factor on the way: to a login that needs one, or to an application that does."""
