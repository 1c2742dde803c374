"""Many runs as few programs: axes, members, the engine that trains them, and what they leave."""
