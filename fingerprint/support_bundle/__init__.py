"""The support bundle: what the commands print about a machine, with pseudonyms for what identifies it."""
