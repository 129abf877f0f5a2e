"""The stored entities, and the operations that a store offers for them; `mongo/` and `sql/` implement them."""
