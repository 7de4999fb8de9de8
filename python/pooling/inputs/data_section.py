"""The [data] section of a study: its tables, the houses to use, and what they measure."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from pooling.inputs.response import EPA_ACTION_LEVEL, ZERO, Response, Transform, Unit
from pooling.inputs.sections import Code, Flag, Floor, Line, Number, Once, Section

HouseColumn = Literal[
    "house_id",
    "state",
    "county_fips",
    "county",
    "floor",
    "activity",
    "log_radon",
    "uranium",
    "log_uranium",
    "weight",
]
EXCLUSIVE = (("county", "county_fips"), ("activity", "log_radon"), ("uranium", "log_uranium"))


class Data(Section):
    """The tables, the houses to use, and their transformation.

    Paths are relative to the study file. `columns` maps our column names to the table's own.
    With `columns.county` houses have the names of their counties: a table of counties is then
    read only if `counties` names one. With `columns.log_radon` the table has the response
    itself. `floors` defines the floor codes; houses with a code in `drop_floors` are dropped and
    counted, and any other code is an error. Houses in `drop_counties` are dropped and counted
    too; the default is the survey's codes for tribal land without a known county.
    """

    houses: Path = Path("../households.csv")
    counties: Path | None = Field(
        default=Path("../counties.csv"), description="none by default if houses have names"
    )
    county_shapes: Path = Field(
        default=Path("../county_shapes.csv"), description="outlines of counties, for maps"
    )
    columns: dict[HouseColumn, str] = {}
    county_columns: dict[
        Literal["county_fips", "state", "county", "lon", "lat", "uranium"], str
    ] = {}
    states: Annotated[list[Line], Once] = Field(
        default=[], description="default: all states of the table"
    )
    response: Transform = "log(x + 0.1)"
    unit: Unit = "pCi/L"
    action_level: Annotated[Number, Field(gt=0, lt=1e9)] = Field(
        default=EPA_ACTION_LEVEL, description="in `unit`; required unless that is pCi/L"
    )
    detection_limit: Annotated[Number, Field(gt=0, lt=1e9)] | None = Field(
        default=None, description="in `unit`; activities up to it are left-censored"
    )
    floors: dict[Code, Floor] = {
        0: "basement",
        1: "first floor",
    }
    drop_floors: list[Code] = []
    drop_counties: list[Code] = [26999, 27189, 27999, 55999]
    repeated_houses: Literal["refuse", "first", "mean"] = "refuse"
    unmeasured_counties: Flag = False
    uranium: Flag = Field(default=False, description="use the counties' uranium; all must have it")
    distances: Flag = Field(
        default=False, description="use the distances between counties; all must have lon and lat"
    )

    def outlines(self, folder: Path) -> Path | None:
        """Path of the table of outlines; None if it is the default and missing."""
        path = folder / self.county_shapes
        if "county_shapes" in self.model_fields_set:
            return path
        # The default has FIPS codes, which a table of houses alone does not.
        return path if self.counties and path.is_file() else None

    def measured(self) -> Response:
        """How radon is measured and transformed."""
        return Response.of(dict(self))

    @property
    def several_states(self) -> bool:
        """Whether programs may have a state level: not in a study of a single state."""
        return len(self.states) != 1 and (not self.named or "state" in self.columns)

    @property
    def named(self) -> bool:
        """Whether houses have the names of their counties rather than codes."""
        return "county" in self.columns

    @property
    def logged(self) -> bool:
        """Whether the table of houses has the response rather than the activity."""
        return "log_radon" in self.columns

    @model_validator(mode="before")
    @classmethod
    def _no_default_counties(cls, given: Any) -> Any:
        if isinstance(given, dict) and "counties" not in given:
            columns = given.get("columns")
            if isinstance(columns, dict) and "county" in columns:
                return given | {"counties": None}
        return given

    @model_validator(mode="after")
    def _one_of_each(self) -> "Data":
        for one, other in EXCLUSIVE:
            if one in self.columns and other in self.columns:
                raise ValueError(f"columns.{one} and columns.{other}: give only one of them")
        for name in ("uranium", "log_uranium"):
            if name in self.columns and (self.counties or not self.named):
                raise ValueError(
                    f"columns.{name}: uranium is read from the table of counties, if there is one; "
                    "give it in county_columns, or leave counties out and give columns.county"
                )
        if not self.counties and self.unmeasured_counties:
            raise ValueError("unmeasured_counties: counties without a house need a table, counties")
        return self

    @model_validator(mode="after")
    def _transform_of_logged(self) -> "Data":
        if self.logged and "response" not in self.model_fields_set:
            raise ValueError(
                "response is missing; columns.log_radon is already a logarithm: say which, "
                f"{' or '.join(map(repr, get_args(Transform)))}"
            )
        if self.logged and self.unit != "pCi/L" and self.response == "log(x + 0.1)":
            raise ValueError(
                f"response: 0.1 pCi/L were added to activities in {self.unit}? Give the activity "
                "itself, columns.activity"
            )
        return self

    @model_validator(mode="after")
    def _one_meaning(self) -> "Data":
        both = sorted(set(self.floors) & set(self.drop_floors))
        if both:
            raise ValueError(f"floor {both[0]} is both in floors and in drop_floors")
        return self

    @model_validator(mode="after")
    def _level_in_the_unit(self) -> "Data":
        if self.unit != "pCi/L" and "action_level" not in self.model_fields_set:
            raise ValueError(
                f"action_level is missing; with unit {self.unit} give the reference level that "
                "applies to you, such as 300 (European directive 2013/59) or 100 (WHO)"
            )
        return self

    @model_validator(mode="after")
    def _limit_above_zero(self) -> "Data":
        least = self.measured().from_pci(ZERO)
        if self.detection_limit is not None and self.detection_limit < least:
            raise ValueError(
                f"detection_limit is below {least:g} {self.unit}, as which an activity of 0 may "
                "count; give at least that"
            )
        return self
