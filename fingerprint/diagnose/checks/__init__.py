"""The checks of `diagnose`: functions from a context to a finding."""
