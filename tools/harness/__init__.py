"""What all verbs and the tests share: panels, the command line, programs, where they run."""
