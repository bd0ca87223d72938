"""What holds for every test: Hypothesis tries the same examples on every machine.

`DOORWARD_HYPOTHESIS=explore` tries many other ones instead, which is for looking for trouble, not
for telling whether a change is good.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("same", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("DOORWARD_HYPOTHESIS", "same"))
