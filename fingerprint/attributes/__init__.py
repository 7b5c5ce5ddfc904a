"""What each attribute is, how much it says, and which events change it. Data."""
