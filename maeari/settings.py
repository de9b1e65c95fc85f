"""Settings from the environment, and the secrets and ports that the one-machine stack keeps in `MAEARI_HOME`."""

import fcntl
import json
import os
import secrets as random_secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from maeari.errors import SettingsError

CHECKOUT = Path(__file__).resolve().parent.parent

Role = Literal["crawler", "importer", "dbt", "ml", "monitor", "web", "analyst", "release", "skill"]
ROLES: tuple[Role, ...] = get_args(Role)
AirflowUser = Literal["admin", "approver", "demo-approver", "viewer", "robot"]
AIRFLOW_USERS: tuple[AirflowUser, ...] = get_args(AirflowUser)
APPROVER: AirflowUser = "approver"
"""Who alone answers the questions about releases, and who alone may roll one back."""
DEMO_APPROVER: AirflowUser = "demo-approver"
"""Who alone answers the questions about replayed releases."""


class Secrets(BaseModel):
    """Passwords and keys of one installation; printed as `***`."""

    model_config = ConfigDict(frozen=True)

    postgres: SecretStr
    author_key: SecretStr
    fernet_key: SecretStr
    api_secret_key: SecretStr
    jwt_secret: SecretStr
    skill: SecretStr
    roles: dict[Role, SecretStr]
    airflow_users: dict[AirflowUser, SecretStr]


class Ports(BaseModel):
    """Ports that the running stack chose, all on 127.0.0.1; None while a part is not running."""

    postgres: int | None = None
    airflow: int | None = None
    mlflow: int | None = None
    demo_site: int | None = None


class Settings(BaseSettings):
    """Everything a person can set; each field is the environment variable `MAEARI_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="MAEARI_", env_ignore_empty=True, frozen=True, extra="ignore")

    home: Path = CHECKOUT / ".maeari"
    database_url: SecretStr | None = None
    airflow_database_url: SecretStr | None = None
    mlflow_database_url: SecretStr | None = None
    postgres_host: str | None = None
    """`host:port` of a Postgres made with the generated password, as in the containers."""
    timezone: str = "Asia/Seoul"
    contact: str = ""
    airflow_url: str | None = None
    public_address: str | None = None
    """Where people reach Airflow, for the links in alerts, when that is not `airflow_url`."""
    alert_webhook: SecretStr | None = None
    """Where alerts are posted as `{"text": …}`, as Slack and its likes take them; whoever knows it can post."""
    alert_mail_to: str = ""
    """Who gets alerts by mail, separated by commas."""
    alert_mail_from: str = ""
    """From whom; from the first who gets them without it."""
    smtp_url: SecretStr | None = None
    """`smtps://user:password@host:465`, or `smtp://…:587` for STARTTLS, or `smtp://…:25?tls=no` within one machine."""
    demo_site_url: str | None = None
    skill_allowed: str = ""
    """Addresses and networks that may ask the book bot without its secret, separated by commas."""
    skill_proxies: str = ""
    """Addresses and networks of proxies whose `X-Forwarded-For` the book bot believes, separated by commas."""
    skill_messages_a_minute: int = Field(30, ge=1)
    """How many messages of one reader the book bot answers in a minute."""

    def path(self, *parts: str) -> Path:
        """A path below `MAEARI_HOME`."""
        return self.home.absolute().joinpath(*parts)

    def ports(self) -> Ports:
        """Ports of the running stack, read anew at each call because a restart may change them."""
        file = self.path("ports.json")
        return Ports.model_validate_json(file.read_text()) if file.exists() else Ports()

    def owner_url(self, database: Literal["warehouse", "airflow", "mlflow"] = "warehouse") -> str:
        """The owner's address of one of the three databases: from the environment, else the stack's own server."""
        given = {
            "warehouse": self.database_url,
            "airflow": self.airflow_database_url,
            "mlflow": self.mlflow_database_url,
        }[database]
        if given is not None:
            return given.get_secret_value()
        port = self.ports().postgres
        host = self.postgres_host or (port and f"127.0.0.1:{port}")
        if host is None:
            raise SettingsError(
                f"No Postgres is running for {self.home} and MAEARI_DATABASE_URL is not set. "
                "Start the stack with `make up`, or set the address of your own server."
            )
        name = "maeari" if database == "warehouse" else database
        password = quote(load_secrets(self.home).postgres.get_secret_value(), safe="")
        return f"postgresql://postgres:{password}@{host}/{name}"

    def role_url(self, role: Role) -> str:
        """The warehouse address for one of the `maeari_…` roles."""
        parts = urlsplit(self.owner_url())
        host = parts.netloc.rpartition("@")[2]
        password = quote(self.role_password(role), safe="")
        return urlunsplit(parts._replace(netloc=f"maeari_{role}:{password}@{host}"))

    def role_password(self, role: Role) -> str:
        """The role's password: `MAEARI_<ROLE>_PASSWORD`, else the generated one."""
        return (
            os.environ.get(f"MAEARI_{role.upper()}_PASSWORD") or load_secrets(self.home).roles[role].get_secret_value()
        )

    def skill_secret(self) -> str:
        """What a messenger's server must send to the book bot: `MAEARI_SKILL_SECRET`, else the generated one."""
        return os.environ.get("MAEARI_SKILL_SECRET") or load_secrets(self.home).skill.get_secret_value()

    def author_key(self) -> bytes:
        """The secret key of author hashes: `MAEARI_AUTHOR_KEY`, else the generated one."""
        given = os.environ.get("MAEARI_AUTHOR_KEY") or load_secrets(self.home).author_key.get_secret_value()
        return given.encode()


@cache
def load_secrets(home: Path) -> Secrets:
    """Read `secrets.json` of a `MAEARI_HOME`, generating it with mode 0600 the first time.

    What a later Maeari needs beside it is added; what is there is never changed.
    """
    home.mkdir(parents=True, exist_ok=True)
    file = home / "secrets.json"
    if not file.exists():
        # Written whole before it has its name: of processes that start together, one gives the secrets to all.
        with suppress(FileExistsError):
            _write_whole(file, _generate(), os.link)
    known = json.loads(file.read_text())
    if missing := _missing(known):
        with (home / "secrets.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = json.loads(file.read_text())
            if missing := _missing(known):
                _write_whole(file, _joined(known, missing), os.replace)
        known = json.loads(file.read_text())
    return Secrets.model_validate(known)


def _write_whole(file: Path, secrets: dict, put: Callable[[str, Path], None]) -> None:
    handle, written = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "w") as stream:
            json.dump(secrets, stream, indent=2)
        put(written, file)
    finally:
        Path(written).unlink(missing_ok=True)


def _missing(known: dict) -> dict:
    """What is generated today and not among the secrets that are known."""
    found = {}
    for name, fresh in _generate().items():
        if isinstance(fresh, dict):
            added = {key: value for key, value in fresh.items() if key not in known.get(name, {})}
            found |= {name: added} if added else {}
        elif name not in known:
            found[name] = fresh
    return found


def _joined(known: dict, missing: dict) -> dict:
    return known | {
        name: known.get(name, {}) | added if isinstance(added, dict) else added for name, added in missing.items()
    }


def _generate() -> dict:
    from cryptography.fernet import Fernet

    def word() -> str:
        return random_secrets.token_urlsafe(18)

    return {
        "postgres": word(),
        "author_key": word(),
        "fernet_key": Fernet.generate_key().decode(),
        "api_secret_key": word(),
        "jwt_secret": random_secrets.token_urlsafe(64),
        "skill": word(),
        "roles": {role: word() for role in ROLES},
        "airflow_users": {user: word() for user in AIRFLOW_USERS},
    }
