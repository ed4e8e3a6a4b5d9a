"""What a sandbox is: how one is made, what runs in it, and how the platform talks to it. No Django here."""
