"""All but the screens: plans, the engine and its workers, the machine, sessions, and what they answer."""
