"""The exercise: ``parts``, ``cases``, ``solution``, ``mistakes`` acted out, ``calls`` in the worker, ``grading``."""
