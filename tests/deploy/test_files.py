"""What is deployed with: rules and dashboard ask for metrics that exist, files name what is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from cli.machines import app as machines
from shared.settings import Settings
from tests.alerts.test_deliverer import Line, Nowhere
from tests.machine.parts import build_whole
from workers.alerts.deliverer import Deliverer
from workers.machine import DATABASE_ROLES, ROLES

CHECKOUT = Path(__file__).resolve().parents[2]
DEPLOY = CHECKOUT / "deploy"
PROMTOOL = shutil.which("promtool") or shutil.which("promtool", path=Path(sys.executable).parent)
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="no promtool: ./scripts/test fetches it")
METRIC = re.compile(r"\bsigtrail_[a-z0-9_]+")


@pytest.fixture(scope="module")
async def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The metrics of a machine with every role, as Prometheus gets them."""
    async with build_whole(tmp_path_factory.mktemp("machine")) as machine:
        assert machine.endpoint is not None
        return generate_latest(machine.endpoint.registry).decode()


@pytest.fixture(scope="module")
def names(page: str) -> set[str]:
    """Every name that a query may use."""
    families = [line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE")]
    families += [[one.name + "_total", one.type] for one in Deliverer(Line(), [Nowhere()]).measure()]
    parts = {"histogram": ("_bucket", "_sum", "_count")}
    return {name + part for name, kind in families for part in parts.get(kind, ("",))}


def promtool(*arguments: str, told: str | None = None) -> None:
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *arguments],
        cwd=DEPLOY / "prometheus",
        input=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_the_rules_hold_what_their_own_tests_say() -> None:
    promtool("check", "config", "prometheus.yml")
    promtool("test", "rules", "rules_test.yml")


@needs_promtool
def test_the_metrics_are_named_as_prometheus_wants_them(page: str) -> None:
    promtool("check", "metrics", told=page)


def queries() -> list[str]:
    """Every query of rules and dashboard."""
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "sigtrail.json").read_text())
    targets = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    assert len(found) > 15
    assert len(targets) > 40
    return found + targets + variables


def test_each_metric_that_rules_and_dashboard_name_exists(names: set[str]) -> None:
    asked = {name for one in queries() for name in METRIC.findall(one)}
    assert asked <= names, asked - names


def test_what_rules_record_is_what_the_dashboard_asks_for() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text())
    recorded = {rule["record"] for group in rules["groups"] for rule in group["rules"] if "record" in rule}
    asked = {name for one in queries() for name in re.findall(r"\bsigtrail:[a-z0-9_:]+", one)}
    assert asked <= recorded


def test_the_panels_of_the_dashboard_do_not_lie_on_each_other() -> None:
    dashboard = json.loads((DEPLOY / "grafana" / "dashboards" / "sigtrail.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def instructions() -> list[tuple[str, str]]:
    text = (CHECKOUT / "workers" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def test_the_image_is_made_of_what_is_here_and_runs_as_nobody_special() -> None:
    steps = instructions()
    ignored = (CHECKOUT / "workers" / "Dockerfile.dockerignore").read_text()
    for kind, rest in steps:
        if kind == "COPY" and not rest.startswith("--from"):
            source = rest.split()[0]
            assert (CHECKOUT / source).exists()
            assert f"!{source.split('/')[0]}" in ignored.splitlines()
    kinds = [kind for kind, _ in steps]
    assert [rest for kind, rest in steps if kind == "USER"] == ["sigtrail"]
    assert "HEALTHCHECK" in kinds
    assert all("--require-hashes" in rest for kind, rest in steps if kind == "RUN" and "pip install" in rest)
    [entry] = [json.loads(rest) for kind, rest in steps if kind == "ENTRYPOINT"]
    assert entry == ["python", "-m", "cli.main", "machines", "run"]
    assert {one.name for one in machines.registered_commands} >= {"run"}
    [probe] = [rest.split("CMD ")[1] for kind, rest in steps if kind == "HEALTHCHECK"]
    assert (CHECKOUT / (json.loads(probe)[2].replace(".", "/") + ".py")).is_file()


def pins(path: Path) -> dict[str, set[str]]:
    """The versions of each package, as they are pinned."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ \\;]+)", path.read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_the_image_has_the_versions_that_the_tests_ran_with_and_nothing_of_development() -> None:
    tested, shipped = pins(CHECKOUT / "requirements.lock"), pins(CHECKOUT / "workers" / "requirements.lock")
    assert {name: versions for name, versions in shipped.items() if tested.get(name) != versions} == {}
    assert not shipped.keys() & {"pytest", "mypy", "ruff", "deno", "uvicorn", "hypothesis"}
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    needed = {re.split(r"[\[=<>~]", one)[0].lower() for one in project["dependencies"]}
    assert needed <= shipped.keys()


def roles_of(command: str | list[str]) -> set[str]:
    words = command.split() if isinstance(command, str) else command
    return set(words[words.index("--roles") + 1].split(","))


def test_fly_and_compose_run_every_role_and_ask_the_port_that_machines_listen_on() -> None:
    fly = tomllib.loads((CHECKOUT / "workers" / "fly.toml").read_text())
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    port = int(fly["env"]["SIGTRAIL_METRICS_PORT"])
    assert (fly["metrics"]["port"], fly["metrics"]["path"]) == (port, "/metrics")
    assert (fly["checks"]["health"]["port"], fly["checks"]["health"]["path"]) == (port, "/healthz")
    assert fly["mounts"]["destination"] == fly["env"]["SIGTRAIL_STATE"]
    assert set().union(*map(roles_of, fly["processes"].values())) == set(ROLES)
    services: dict[str, Any] = compose["services"]
    own = {name: one for name, one in services.items() if one.get("image") == "sigtrail"}
    assert set().union(*(roles_of(one["command"]) for one in own.values())) == set(ROLES)
    assert all(one["volumes"] == [f"{name}:/state"] for name, one in own.items()), "a disk each"
    for part, one in own.items():
        assert one["env_file"] == ["../machines.env", f"../{part}.env"], "what a role needs, no other has"
        text = "".join((DEPLOY / f"{Path(file).name}.example").read_text() for file in one["env_file"])
        assert "SUPABASE_JWT_SECRET" not in text, "machines make no tokens"
        assert text.count("\nSIGTRAIL_MACHINE_TOKEN=\n") == 1
        (asked,) = re.findall(r"machines token (--role [a-z_]+)+ --machine", text)
        assert asked.split()[1] in {DATABASE_ROLES[role] for role in roles_of(one["command"])}
    ignored = (CHECKOUT / ".gitignore").read_text().splitlines()
    assert {path.name.removesuffix(".example") for path in DEPLOY.glob("*.env.example")} <= set(ignored)
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    [job] = prometheus["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{name}:{port}" for name in own]
    for one in services.values():
        for volume in one.get("volumes", ()):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in compose["volumes"]


def test_the_example_of_an_environment_names_settings_that_exist() -> None:
    text = "".join(path.read_text() for path in sorted(DEPLOY.glob("*.env.example")))
    named = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))
    aliases = {"SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY"}
    assert named - aliases <= {name.upper() for name in Settings.model_fields}
    assert len(named) > 12


def test_the_workflows_run_what_is_here() -> None:
    for path in sorted((CHECKOUT / ".github" / "workflows").glob("*.yml")):
        workflow = yaml.safe_load(path.read_text())
        assert workflow["permissions"] == {"contents": "read"}, "no more than they need"
        runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
        for script in re.findall(r"\./(scripts/[a-z]+)", "\n".join(runs)):
            assert (CHECKOUT / script).is_file()
    text = (CHECKOUT / ".github" / "workflows" / "deploy.yml").read_text()
    assert "supabase db push" in text
    assert "sigtrail deploy check" in text
