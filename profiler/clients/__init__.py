"""The kinds of engine that a screen can have: one in a child process, a session file, a demonstration."""
