"""Whether a gradient is right: anyone's function called safely, oracles, kinks, and verdicts.

Reading order: ``trees``, ``calls``, ``answers``, ``contract`` (what a gradient function must do), ``subject`` (as
oracles call it), ``differences``, ``sampling``, ``oracles`` (what the gradient is), ``kinks``, ``verdict``.
"""
