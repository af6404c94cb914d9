"""From what an operator hands in to resources that can be stored: parsed, checked, rendered back for people to read."""
