"""What the commands do, one file each: from a config or a run folder to files on disk. The command line calls these."""
