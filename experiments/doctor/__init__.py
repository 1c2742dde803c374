"""How often the gradient doctor is right: mistakes planted in networks that people write.

Reading order: ``networks/`` (correct networks, each in a style of its own), ``planted/`` (for each of them, the edits
that make it wrong), ``mutants`` (from an edit to a function, and what it truly gets wrong), ``healthy`` (correct
networks by the hundred), ``measure`` (what the doctor says of all of them).
"""
