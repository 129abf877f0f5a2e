"""What is kept: entities, and the verbs that a store offers for them; `mongo/` and `sql/` keep them."""
