"""One file an implementation of the Backend seam."""
