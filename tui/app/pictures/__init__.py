"""Pictures as rich text: pure functions, testable without an app."""
