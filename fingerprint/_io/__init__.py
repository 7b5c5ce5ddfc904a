"""Files, pipes, times and texts: what every part of the package needs of them, once."""
