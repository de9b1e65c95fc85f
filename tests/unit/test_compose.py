"""docker-compose.yml keeps the rules of Compose and of this project; no container engine is needed to know."""

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "docker-compose.yml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
ONE_SHOTS = {name for name, service in SERVICES.items() if service.get("restart") == "no"}
SERVERS = sorted(SERVICES.keys() - ONE_SHOTS)
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::-([^}]*))?\}")

TOP_LEVEL_KEYS = {"name", "services", "volumes", "networks", "configs", "secrets", "include"}
SERVICE_KEYS = {
    "build", "cap_add", "cap_drop", "command", "configs", "container_name", "cpus", "depends_on", "deploy",
    "entrypoint", "env_file", "environment", "expose", "extra_hosts", "healthcheck", "hostname", "image",
    "init", "labels", "logging", "mem_limit", "networks", "platform", "ports", "profiles", "pull_policy",
    "read_only", "restart", "secrets", "security_opt", "shm_size", "stop_grace_period", "stop_signal",
    "sysctls", "tmpfs", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
HEALTHCHECK_KEYS = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
RESTARTS = {"no", "always", "on-failure", "unless-stopped"}
DURATION = re.compile(r"(\d+(us|ms|s|m|h))+")


@cache
def example_variables() -> dict[str, str]:
    """The variables of .env.example and their values there."""
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def each_string(value) -> list[str]:
    """Every string in a parsed YAML value."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in each_string(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in each_string(inner)]
    return [value] if isinstance(value, str) else []


def test_the_issue_s_services_are_there():
    from cli.services import NAMES

    assert set(NAMES) | {"postgres", "migrate"} <= SERVICES.keys()
    assert ONE_SHOTS


def test_keys_are_those_of_compose():
    assert {key for key in COMPOSE if not key.startswith("x-")} <= TOP_LEVEL_KEYS
    for name, service in SERVICES.items():
        assert service.keys() <= SERVICE_KEYS, name
        assert service.get("healthcheck", {}).keys() <= HEALTHCHECK_KEYS, name


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_an_image_or_a_build_and_a_restart_policy(name):
    service = SERVICES[name]
    assert "image" in service or "build" in service
    assert service["restart"] in RESTARTS
    if "build" in service:
        assert (CHECKOUT / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_has_a_health_check(name):
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert len(check["test"]) > 1
    assert isinstance(check["retries"], int)
    for key in ("interval", "timeout", "start_period"):
        assert DURATION.fullmatch(check[key]), key


@pytest.mark.parametrize("name", sorted(ONE_SHOTS))
def test_a_one_shot_is_waited_for_until_it_succeeded(name):
    waiting = [other["depends_on"][name] for other in SERVICES.values() if name in other.get("depends_on", {})]
    assert waiting
    assert all(entry == {"condition": "service_completed_successfully"} for entry in waiting)


@pytest.mark.parametrize("name", SERVICES)
def test_dependencies_exist_and_their_conditions_can_be_met(name):
    seen, ahead = set(), [name]
    while ahead:
        for other, entry in SERVICES[ahead.pop()].get("depends_on", {}).items():
            assert entry["condition"] in CONDITIONS
            assert (other in ONE_SHOTS) == (entry["condition"] == "service_completed_successfully")
            assert entry["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
            assert not set(SERVICES[other].get("profiles", [])) - set(SERVICES[name].get("profiles", []))
            assert other != name, f"{name} waits for itself"
            if other not in seen:
                seen.add(other)
                ahead.append(other)


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_bound_to_loopback_and_free_of_each_other(name):
    for port in SERVICES[name].get("ports", []):
        address, host_port, container_port = re.fullmatch(r"([\d.]+):(.+):(\d+)", port).groups()
        assert address == "127.0.0.1"
        assert VARIABLE.fullmatch(host_port), "a person must be able to choose the port on the host"
        assert container_port == VARIABLE.fullmatch(host_port)[2] or name == "postgres"
    chosen = [VARIABLE.search(port)[2] for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(chosen) == len(set(chosen))


def test_every_variable_is_in_the_example_and_the_other_way_round():
    used = {name: default or "" for text in each_string(COMPOSE) for name, default in VARIABLE.findall(text)}
    assert used == example_variables()
    assert "$" not in VARIABLE.sub("", "".join(each_string(COMPOSE)))


def test_every_maeari_variable_is_a_setting():
    from maeari.settings import Settings

    variables = {key for service in SERVICES.values() for key in service.get("environment", {}) if "MAEARI" in key}
    assert variables
    assert variables <= {f"MAEARI_{field.upper()}" for field in Settings.model_fields}


def test_ports_and_databases_are_those_of_the_one_machine_stack():
    from cli.embedded_postgres import DATABASES
    from cli.services import PREFERRED_PORTS

    listening = {
        name: int(service["ports"][0].rpartition(":")[2]) for name, service in SERVICES.items() if "ports" in service
    }
    assert listening == {
        "postgres": 5432,
        "api-server": PREFERRED_PORTS.airflow,
        "mlflow": PREFERRED_PORTS.mlflow,
        "demo-site": PREFERRED_PORTS.demo_site,
    }
    made = re.findall(
        r"^create database (\w+);", (CHECKOUT / "docker" / "create-databases.sql").read_text(), re.MULTILINE
    )
    assert {*made, SERVICES["postgres"]["environment"]["POSTGRES_DB"]} == set(DATABASES)


def test_volumes_are_declared_and_used_and_mounted_files_exist():
    mounted = {mount.split(":")[0] for service in SERVICES.values() for mount in service.get("volumes", [])}
    files = {source for source in mounted if source.startswith(".")}
    assert all((CHECKOUT / file).is_file() for file in files)
    assert mounted - files == COMPOSE["volumes"].keys()


def test_the_state_survives_and_is_the_home_of_every_service_of_ours():
    for name, service in SERVICES.items():
        if "build" in service:
            assert f"state:{service['environment']['MAEARI_HOME']}" in service["volumes"], name


def test_no_secret_is_written_down_or_asked_for():
    for name, service in SERVICES.items():
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|TOKEN", key):
                # A key of somebody else's interface may be handed through; nobody has to set one.
                assert key.endswith("_FILE") or value == f"${{{key}:-}}", f"{name}: {key}"
            assert "@" not in value, f"{name}: {key} holds a log-in"
    assert not [
        value for key, value in example_variables().items() if re.search("PASSWORD|SECRET|KEY|TOKEN|URL", key) and value
    ]
    assert ":?" not in TEXT, "nothing must be set before the first start"


def test_the_database_password_reaches_postgres_and_nobody_else():
    file = Path(SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"])
    with_password = {
        name: mount.split(":")[2:] for name, service in SERVICES.items()
        for mount in service.get("volumes", []) if Path(mount.split(":")[1]) == file.parent
    }  # fmt: skip
    assert with_password == {"secrets": [], "postgres": ["ro"]}
    assert str(file) in SERVICES["secrets"]["command"]


@pytest.mark.parametrize("name", [name for name in SERVERS if "build" in SERVICES[name]])
def test_a_probe_asks_where_a_service_listens(name):
    (address,) = [part for part in SERVICES[name]["healthcheck"]["test"] if part.startswith("http")]
    parts = urlsplit(address)
    asked = name if parts.hostname == "127.0.0.1" else parts.hostname
    assert SERVICES[asked]["ports"][0].endswith(f":{parts.port}")
    assert SERVICES[asked]["command"][-2:] == ["--host", "0.0.0.0"]


def test_addresses_between_services_name_a_service_and_its_port():
    addresses = [
        urlsplit(value if "://" in value else f"//{value}")
        for service in SERVICES.values()
        for key, value in service.get("environment", {}).items()
        if key in ("MAEARI_AIRFLOW_URL", "MAEARI_DEMO_SITE_URL", "MAEARI_POSTGRES_HOST")
    ]
    assert addresses
    assert all(SERVICES[found.hostname]["ports"][0].endswith(f":{found.port}") for found in addresses)


def test_the_image_holds_all_that_the_build_copies_and_every_package():
    ignored = (CHECKOUT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    kept = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    assert all(list(CHECKOUT.glob(pattern)) for pattern in kept)
    packages = {file.parent.name for file in CHECKOUT.glob("*/__init__.py")} - {"tests"}
    assert packages | {"dags", "dbt", "pyproject.toml", "requirements.lock"} <= set(kept)


def test_the_dockerfile_installs_locked_packages_and_gives_up_root():
    dockerfile = (CHECKOUT / "docker" / "Dockerfile").read_text()
    instructions = re.findall(r"^([A-Z]+) ", dockerfile, re.MULTILINE)
    assert set(instructions) <= {"FROM", "RUN", "ENV", "WORKDIR", "COPY", "USER", "CMD"}
    assert "--require-hashes --compile-bytecode requirements.lock" in dockerfile
    assert re.findall(r"^USER (.+)$", dockerfile, re.MULTILINE)[-1] != "root"
    for line in re.findall(r"^COPY (?!\.)(.+) \./$", dockerfile, re.MULTILINE):
        assert all((CHECKOUT / name).is_file() for name in line.split())
    assert json.loads(re.search(r"^CMD (.+)$", dockerfile, re.MULTILINE)[1])
