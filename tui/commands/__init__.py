"""The subcommands of `attnprof`, one file each."""
