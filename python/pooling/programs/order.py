"""The order in which models are told."""

TUTORIAL = ("pooled", "per_county", "hierarchical_centered", "hierarchical_noncentered")
# First words of a program's name, which say what it pools, from everything to partially.
FAMILIES = ("pooled", "per_county", "varying_intercept", "hierarchical")


def story_order(model: str) -> tuple[int, int, str]:
    """Sort key of a model: by what it pools, the programs of the lesson first, then by name.

    A name that does not say what it pools comes last.
    """
    family = [
        i for i, first in enumerate(FAMILIES) if model == first or model.startswith(f"{first}_")
    ]
    lesson = TUTORIAL.index(model) if model in TUTORIAL else len(TUTORIAL)
    return (family[0] if family else len(FAMILIES), lesson, model)
