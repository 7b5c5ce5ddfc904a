"""What runs `fingerprint guard` before each start of the agent: drop-ins for its systemd units."""

# The longest --limit, in seconds.
LONGEST_LIMIT = 3600
