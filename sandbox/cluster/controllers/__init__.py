"""One file a controller, and the list of them."""
