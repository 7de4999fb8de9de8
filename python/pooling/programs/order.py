"""The order in which models are told, and the few that tell the story of a study."""

from collections.abc import Sequence

TUTORIAL = ("pooled", "per_county", "hierarchical_centered", "hierarchical_noncentered")
# First words of a program's name, which say what it pools, from everything to partially.
FAMILIES = ("pooled", "per_county", "varying_intercept", "hierarchical")

PARTIAL = FAMILIES[2:]  # that pool partially


def story_order(model: str) -> tuple[int, int, str]:
    """Sort key of a model: by what it pools, the programs of the lesson first, then by name.

    A name that does not say what it pools comes last.
    """
    lesson = TUTORIAL.index(model) if model in TUTORIAL else len(TUTORIAL)
    return ([*FAMILIES, ""].index(_family(model)), lesson, model)


def story_models(models: Sequence[str], wanted: Sequence[str] = ()) -> list[str]:
    """The few models of a study that its story is told with.

    Those that the study wants, in its order. By default one for each kind of pooling: complete,
    none, and partial of intercepts and slopes or, without such a program, of intercepts alone;
    of each kind the tutorial's, non-centered rather than centered, or the first by name.

    Raises
    ------
    ValueError
        One that is wanted is none of `models`.
    """
    for model in wanted:
        if model not in models:
            raise ValueError(f"{model} is no model of the study; there are: {', '.join(models)}")
    if wanted:
        return list(wanted)
    kinds = [[m for m in models if _family(m) == family] for family in FAMILIES]
    kinds = [*kinds[:2], kinds[3] or kinds[2]]
    return [min(kind, key=_told_first) for kind in kinds if kind]


def ends_of_story(models: Sequence[str]) -> tuple[str, str]:
    """The last model without partial pooling and the first with it; "" for one there is none of."""
    partial = [model for model in models if _family(model) in PARTIAL]
    before = [model for model in models if _family(model) in FAMILIES and model not in partial]
    return (before or [""])[-1], (partial or [""])[0]


def _family(model: str) -> str:
    """First words of a model's name that say what it pools; "" where they do not."""
    return next((f for f in FAMILIES if model == f or model.startswith(f"{f}_")), "")


def _told_first(model: str) -> tuple[bool, bool, str]:
    return model.endswith("_centered"), model not in TUTORIAL, model
