"""Kubernetes' own words without any behaviour: objects, errors, selectors, quantities, schema."""
