"""What holds for every test: Hypothesis tries the same examples on every machine.

`DOORWARD_HYPOTHESIS=explore` tries many other ones instead, and explains what it finds; that is for
looking for trouble, not for telling whether a change is good.
"""

from __future__ import annotations

import os

from hypothesis import Phase, settings

# To explain a failure can take half a minute, in which its author would have looked at it.
PHASES = (Phase.explicit, Phase.generate, Phase.target, Phase.shrink)

settings.register_profile("same", max_examples=25, deadline=None, derandomize=True, phases=PHASES)
settings.register_profile("explore", max_examples=2_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("DOORWARD_HYPOTHESIS", "same"))
