"""The rules that decide whether a machine matches its record. Pure functions: no I/O, no clock, no log."""
