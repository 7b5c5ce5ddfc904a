"""What others need to test against this package; nothing in the package imports it."""
