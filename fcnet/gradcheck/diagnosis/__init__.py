"""Why a gradient is wrong: which network it is, and which mistake, acted out in it, gives the very same numbers.

Reading order: ``mistakes`` (their names); ``structure``, ``readings``, ``network``, ``candidates``, ``fit``,
``recognise`` (from a loss to a network); ``acts``, ``reenact``, ``solve`` and the ``enact_`` files (a backward pass in
which mistakes can be planted); ``factors``, ``patterns``, ``stale`` (what shows without a network); ``case``,
``diagnose`` (from evidence to causes); ``layer_mistakes`` (the same for a layer alone).
"""
