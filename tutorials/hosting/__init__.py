"""`./quayside up`: one command that runs the launcher and the site, and ends both. Knows no Django but in `web`."""
