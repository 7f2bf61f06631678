"""What all verbs and the tests share: the list of panels, processes, the terminal."""
