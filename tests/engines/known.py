"""known.py - what an engine itself cannot do, though its words for it exist: each with its reason.

(engine, verb, case or "*") -> reason. A step listed here that works after all is a failure, so that
the list stays true.
"""

LIMITS = {
}
