"""The whole configuration as numbered revisions: what one is, how the next is made, how two differ, how they are stored."""
