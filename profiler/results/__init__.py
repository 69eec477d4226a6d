"""What a recording shows: its rows, where they stand under the ceilings, and the words for them."""
