"""Who may enter where and when: grants, schedules, door modes, the decision, the plan."""
