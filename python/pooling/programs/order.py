"""The order in which models are presented, and the few that the main figures compare."""

from collections.abc import Sequence

TUTORIAL = ("pooled", "per_county", "hierarchical_centered", "hierarchical_noncentered")
# First words of a program's name, by its pooling: complete, none, partial.
FAMILIES = ("pooled", "per_county", "varying_intercept", "hierarchical")

PARTIAL = FAMILIES[2:]  # with partial pooling


def story_order(model: str) -> tuple[int, int, str]:
    """Sort key of a model: by pooling, tutorial models first, then by name; other names last."""
    tutorial = TUTORIAL.index(model) if model in TUTORIAL else len(TUTORIAL)
    return ([*FAMILIES, ""].index(_family(model)), tutorial, model)


def story_models(models: Sequence[str], wanted: Sequence[str] = ()) -> list[str]:
    """The few models of a study that its main figures compare.

    These are `wanted`, in that order, or by default one model each with complete, no and partial
    pooling (of intercepts and slopes if there is one, else of intercepts). Of each kind,
    non-centered programs are preferred, then tutorial models, then the first by name.

    Raises
    ------
    ValueError
        A wanted model is not among `models`.
    """
    known = ", ".join(models)
    for model in wanted:
        if model not in models:
            raise ValueError(f"{model} is not a model of the study; choose from: {known}")
    if wanted:
        return list(wanted)
    kinds = [[m for m in models if _family(m) == family] for family in FAMILIES]
    kinds = [*kinds[:2], kinds[3] or kinds[2]]
    return [min(kind, key=_preference) for kind in kinds if kind]


def ends_of_story(models: Sequence[str]) -> tuple[str, str]:
    """The last model without partial pooling and the first with it, each "" if there is none."""
    partial = [model for model in models if _family(model) in PARTIAL]
    before = [model for model in models if _family(model) in FAMILIES and model not in partial]
    return (before or [""])[-1], (partial or [""])[0]


def _family(model: str) -> str:
    """The family that a model's name begins with; "" if none."""
    return next((f for f in FAMILIES if model == f or model.startswith(f"{f}_")), "")


def _preference(model: str) -> tuple[bool, bool, str]:
    return model.endswith("_centered"), model not in TUTORIAL, model
