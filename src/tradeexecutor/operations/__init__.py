"""Operations on a state, independent of a terminal: for the command line, a web API and a live loop."""
