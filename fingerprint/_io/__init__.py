"""Files, pipes, times, text and HTTP: helpers that all packages share."""
