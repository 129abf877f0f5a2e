"""The scopes and the resources (audiences) that clients may ask for, as an administrator names them."""
