"""The ledger: every component of fcnet beside PyTorch's, on the same numbers, in float64 and float32.

Reading order: ``case`` (what a row is and how its error is measured), one file for each kind of component (its rows,
PyTorch's side and ours), ``rows`` (all of them), ``golden`` (PyTorch's numbers on disk). Two scripts beside them:
``make_golden.py`` lets PyTorch compute, ``write_parity.py`` writes PARITY.md.
"""
