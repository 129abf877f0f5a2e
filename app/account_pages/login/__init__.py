"""The pages to log in, to prove a second factor or prove it again, and to log out."""
