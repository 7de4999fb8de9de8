"""Damaged and unusual fields of tables, through `prepare`: numbers, keys, words."""

from stress.case import Case
from stress.tables import (
    COUNTIES,
    HOUSES,
    Tables,
    activity,
    county,
    house,
    named,
    refusal,
    result,
    sameness,
)


def _numbers() -> list[Case]:
    words = ("2..2", '"2,2"', '"1,234.5"', "0x1f", "1_0", "2.2 pCi/L", "<0.5", "NaN", "n/a", "--")
    where = "line 2: column activity: "
    return [
        *(
            refusal(
                f"activity {word}",
                f"{where}{word.strip(chr(34))!r} is not a number",
                activity(word),
            )
            for word in words
        ),
        refusal(
            "activity 2,2 without quotes",
            "line 2: 6 fields where the header has 5",
            activity("2,2"),
        ),
        refusal("activity 1e308", f"{where}1e+308 is above 100,000 pCi/L", activity("1e308")),
        refusal("activity 1e400", f"{where}inf is above 100,000 pCi/L", activity("1e400")),
        refusal("activity inf", f"{where}inf is above", activity("inf")),
        refusal("activity -0.3", f"{where}-0.3 is negative; correct it", activity("-0.3")),
        refusal(
            "activity 5e-324",
            f"{where}4.94065645841247e-324 is below 1e-06 pCi/L, but not 0",
            activity("5e-324"),
        ),
        refusal("activity blank", f"{where}value is missing; fill it in", activity("")),
        sameness("activity +2.20e0", HOUSES.replace("2.2", "+2.20e0")),
        refusal(
            "floor in words",
            "line 2: column floor: 'first' has no meaning in the study",
            house("a1,MN,27001,first,2.2"),
        ),
        refusal(
            "floor true",
            "line 2: column floor: 'true' has no meaning in the study",
            house("a1,MN,27001,true,2.2"),
        ),
        refusal(
            "floor 0.5",
            "line 2: column floor: '0.5' has no meaning in the study",
            house("a1,MN,27001,0.5,2.2"),
        ),
        refusal(
            "floor 7",
            "line 2: column floor: 7 has no meaning in the study",
            house("a1,MN,27001,7,2.2"),
        ),
        refusal(
            "county 27999999",
            "line 2: column county_fips: 27999999 is not in counties.csv",
            house("a1,MN,27999999,1,2.2"),
        ),
        refusal(
            "county -27001",
            "line 2: column county_fips: -27001 is not a county code",
            house("a1,MN,-27001,1,2.2"),
        ),
        refusal("county of 30 digits", "is not a whole number", house(f"a1,MN,{'2' * 30},1,2.2")),
        refusal(
            "uranium 0",
            "line 2: column uranium: 0 is not from 1e-6 to 1e6 ppm",
            county("27001,MN,AITKIN,0,0,0"),
        ),
        refusal(
            "uranium 1e308",
            "line 2: column uranium: 1e+308 is not from 1e-6 to 1e6 ppm",
            county("27001,MN,AITKIN,0,0,1e308"),
        ),
        refusal(
            "longitude 400",
            "line 2: column lon: 400 is not a longitude",
            county("27001,MN,AITKIN,400,0,1"),
        ),
        refusal(
            "uranium asked for and not there",
            "no uranium for 1 of the study's counties, such as 27001",
            Tables(counties=COUNTIES.replace("46.6,0.5", "46.6,"), data={"uranium": True}),
        ),
    ]


def _keys() -> list[Case]:
    long = "1" * 25
    ids = (
        HOUSES.replace("a1", long + "1")
        .replace("a2", long + "2")
        .replace("a3", "007")
        .replace("a4", "7")
    )
    clash = COUNTIES.replace("27003", "27001")
    return [
        refusal(
            "a house twice",
            "line 3: column house_id: 'a1' occurs twice",
            Tables(HOUSES.replace("a2", "a1")),
        ),
        refusal(
            "a county twice",
            "line 3: column county_fips: 27001 occurs twice",
            Tables(counties=clash),
        ),
        result(
            "houses 007 and 7, and of 26 digits",
            "four houses as they are written",
            Tables(ids),
            lambda v, n: n["house_id"] == [long + "1", long + "2", "007", "7", "a5"],
        ),
        result(
            "two counties of one name",
            "both, each its own",
            named("ANOKA"),
            lambda v, n: v["J"] == 3 and n["county"][:2] == ["ANOKA", "ANOKA"],
        ),
        result("a county called NA", "its name", named("NA"), lambda v, n: n["county"][0] == "NA"),
        result(
            "a state called NA",
            "its name",
            Tables(HOUSES.replace("MN", "NA"), COUNTIES.replace("MN", "NA"), {"states": ["NA"]}),
            lambda v, n: n["state"] == ["NA"] * 3,
        ),
    ]


def _words() -> list[Case]:
    names = ("DOÑA ANA", "Õ", "東京都", "مقاطعة", "🏠 COUNTY", "<script>alert(1)</script>")
    names += (
        "$(touch here)",
        "`touch here`",
        "$x_{$",
        "; rm -rf ~",
        "%s {0} \\n",
        "O'BRIEN & SONS",
    )
    shell = "$(touch here);`id`"
    columns = {
        "houses": HOUSES.replace("activity", shell),
        "data": {"columns": {"activity": shell}},
    }
    return [
        *(
            result(
                f"a county called {name}",
                "its name",
                named(name),
                lambda v, n, name=name: n["county"][0] == name,
            )
            for name in names
        ),
        result(
            f"a column called {shell}", "its numbers", Tables(**columns), lambda v, n: v["N"] == 5
        ),
        result(
            "a state called `id`",
            "its name",
            Tables(
                HOUSES.replace("MN", "`id`"), COUNTIES.replace("MN", "`id`"), {"states": ["`id`"]}
            ),
            lambda v, n: n["state"][0] == "`id`",
        ),
    ]


def cases() -> list[Case]:
    """Fields, from numbers that are none to names that a shell would run."""
    return [*_numbers(), *_keys(), *_words()]
