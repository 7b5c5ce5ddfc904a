"""`python -I -m fingerprint` is the command `fingerprint`; without -I the current folder and PYTHONPATH come first."""

from fingerprint.cli import main_and_exit

main_and_exit()
