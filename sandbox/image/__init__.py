"""The images of a sandbox: its own system and the catalogue that learners can run."""
