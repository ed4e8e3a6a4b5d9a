"""Rules that look beyond one object when it is created or changed."""
