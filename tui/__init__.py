"""All that a person sees in a terminal: the command line, tables and the app."""
