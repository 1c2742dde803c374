"""Someone's file in a process of its own: ``outcome`` (how it ends), ``limits``, ``worker``, ``session``."""
