"""What operators decide about a credential: active, inactive, lost, stolen."""

from __future__ import annotations

from controller.drafts import Draft

ACTIVE = "active"
INACTIVE = "inactive"
FLAGGED = ("lost", "stolen")
STATES = (ACTIVE, INACTIVE, *FLAGGED)


def new_state(state: str, draft: Draft) -> str:
    """Return the state that `draft` asks for by `state` or `enabled`; say in it what cannot be.

    A flag is taken back only by `state`, with a `reason`, which is recorded.
    """
    wanted, enabled = draft.get("state"), draft.get("enabled")
    if wanted is None:
        if enabled is None:
            return state
        if state in FLAGGED:
            if enabled:
                draft.add("enabled", f"cannot be set: it is {state}; give a state and a reason")
            return state
        return ACTIVE if enabled else INACTIVE
    if enabled is not None and enabled is not (wanted == ACTIVE):
        draft.add("enabled", f"contradicts the state {wanted}")
    if state in FLAGGED and wanted not in FLAGGED and not draft.get("reason"):
        draft.add("reason", f"is required, because the credential is flagged {state}")
    return str(wanted)
