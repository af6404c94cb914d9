"""From one published resource set to what every xDS stream is told next; FLOW.md says in which order."""
