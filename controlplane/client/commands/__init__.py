"""The commands of `pointsman`, one file per noun."""
