"""What runs behind the page Play: settings, stories, a run, and what became of each message."""
