"""The edge: views parse, call one function, and format. Addresses and answers are in docs/site.md."""
