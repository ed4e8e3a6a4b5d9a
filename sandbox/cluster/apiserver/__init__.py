"""HTTP in front of the registry: parse, call one verb, format."""
