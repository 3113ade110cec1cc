"""What an operator does to a state, free of any terminal: for the command line, a web API and a live loop alike."""
