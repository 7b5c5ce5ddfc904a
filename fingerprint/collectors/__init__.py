"""Hash recipes of the agent that are more than the digest of what a tool printed."""
