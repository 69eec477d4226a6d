"""Tables in the terminal: as wide as there is room for, or plain in a pipe."""
