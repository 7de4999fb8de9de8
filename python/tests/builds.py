"""What make builds of the study minnesota: names of stages as `Project.built` gives them."""

from project import ROOT

from pooling.figures import declared_figures
from pooling.inputs.decision import TABLES as DECISIONS
from pooling.inputs.study import read_study
from pooling.workflow.plan import models_of, programs

CENTERED, NONCENTERED = "hierarchical_centered", "hierarchical_noncentered"
KINDS = ("svg", "png")  # of files of a figure
STUDY = ROOT / "data/studies/minnesota.toml"
PROGRAMS = programs(ROOT / "stan")
MODELS = set(models_of(read_study(STUDY), STUDY, PROGRAMS))
DECLARED = declared_figures().values()
FIGURES = {f"figures.{figure.name}" for figure in DECLARED if figure.kind in ("story", "library")}
OF_ONE_MODEL = {f"figures.{figure.name}" for figure in DECLARED if figure.kind == "model"}
STORY = {f"figures.{figure.name}" for figure in DECLARED if figure.kind == "story"}
CALIBRATION = {f"figures.{figure.name}" for figure in DECLARED if figure.kind == "calibration"}
# The story's last model has all figures of one model, too.
TOLD = NONCENTERED
READ_LEFT_OUT = {
    f"figures.{name}"
    for name in ("county_means", "coverage", "loo_pit", "model_comparison", "pareto_k")
}
LEFT_OUT = READ_LEFT_OUT - OF_ONE_MODEL
READ_REPLICATIONS = {f"figures.{f.name}" for f in DECLARED if "replications.nc" in f.needs}
OF_DECISIONS = {f"figures.{figure.name}" for figure in DECLARED if {*figure.tables} & {*DECISIONS}}
# Tables say which model the figures of one model show, and which decides.
TABLES = {"results", "headline", "decisions", *OF_DECISIONS, "explorer", "calculator", "pages"}
SHOWN = FIGURES | TABLES | {"published"}
PREPARED = {"prepare", "represented", "highlights", "frequentist"}
# What is made of a fit, and of its diagnostics.
SCORED = ("check", "replicate", "loo", "leave_out", "score", "other_priors")
CHECKED = tuple(stage for stage in SCORED if stage != "replicate")


def of(models, *stages):
    return {f"{stage} {model}" for stage in stages for model in models}


def refit(*models):
    figures = OF_ONE_MODEL if TOLD in models else set()
    return of(models, "fit", *SCORED) | {"gate"} | SHOWN | figures


LEAVING_OUT = of(MODELS, "loo", "leave_out", "score") | READ_LEFT_OUT | TABLES
SAMPLING = refit(*MODELS)
CHECKING = of(MODELS, *CHECKED) | {"gate"} | SHOWN | OF_ONE_MODEL
