"""Other libraries that train the same networks, one file each, in the strongest forms that were found.

Every function here takes a ``Problem`` and returns a ``Contestant``. All train with momentum SGD, an order of the rows
that is new in every epoch, and data that lie ready in memory.
"""
