# SPDX-License-Identifier: MIT
"""What arms a production, and every way in which it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_harehearse.errors import ConfigError
from pytest_harehearse.inventory.model import Cluster, Environment, Inventory
from pytest_harehearse.safety.arming import Arming, arm, planned_only


def environment(name, kind):
    return Environment(name, kind, None, {"web": Cluster(name, "web", kind, "pacemaker", ())})


INVENTORY = Inventory(
    Path("harehearse.toml"),
    {one.name: one for one in (environment("production", "production"), environment("lab", "lab"))},
)
ARMING = Arming("production", "CHG1", "ops@desk")


def armed(environment="production", change="CHG1", selected=("production",)):
    return arm(environment, change, inventory=INVENTORY, selected=selected, by="ops@desk")


def test_both_options_arm_one_production():
    """With the change and who it was, as it stands in headers."""
    assert armed() == ARMING
    assert armed(change=" CHG1 ") == ARMING
    assert ARMING.told() == "armed for change CHG1 by ops@desk"
    assert armed(None, None) is None


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            {"environment": None},
            "--harehearse-change arms nothing by itself; name the environment as well: --harehearse-arm ENV",
        ),
        *(
            (
                {"change": change},
                (
                    "--harehearse-arm production needs the change that it is for, since what is done to a production must be "
                    "traced to one: --harehearse-change ID"
                ),
            )
            for change in (None, "", "  ", "CHG\n1")
        ),
        (
            {"environment": "prodction"},
            "--harehearse-arm 'prodction': there is no such environment; valid are: production. Did you mean 'production'?",
        ),
        (
            {"environment": "lab", "selected": ("lab",)},
            (
                "--harehearse-arm lab: lab is a lab, and only production is armed; leave --harehearse-arm and "
                "--harehearse-change out to rehearse in it"
            ),
        ),
        (
            {"selected": ("lab",)},
            (
                "--harehearse-arm production: this run selects no cluster of production, so nothing would be done there; "
                "select it as well: --harehearse-env production"
            ),
        ),
    ],
)
def test_what_does_not_arm(how, said):
    """One without the other, and an environment that is unknown, no production, or not selected."""
    with pytest.raises(ConfigError) as refused:
        armed(**how)
    assert str(refused.value) == said


def test_without_arming_a_production_is_only_planned_for():
    """The reason names what would arm it; labs need nothing, and an arming holds for its own environment alone."""
    production, lab = INVENTORY.clusters["production/web"], INVENTORY.clusters["lab/web"]
    assert planned_only(production, None) == (
        "production/web is production and not armed, so it was only planned and nothing was touched. To rehearse on it, in "
        "its window: --harehearse-arm production --harehearse-change ID"
    )
    assert planned_only(production, Arming("other", "CHG1", "ops@desk")) is not None
    assert planned_only(production, ARMING) is None
    assert planned_only(lab, None) is None
