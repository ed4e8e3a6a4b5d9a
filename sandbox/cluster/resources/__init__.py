"""One file a kind, and the list of them."""
