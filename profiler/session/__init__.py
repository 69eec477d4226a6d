"""Session files, from the first line written to the record that they are folded into."""
