"""Airflow's REST API, spoken by a named user: trigger, follow and answer runs."""

from typing import Any

import httpx

from maeari.errors import AirflowRefused, SettingsError
from maeari.settings import Settings, load_secrets

ANY = "~"


class AirflowClient:
    """One user of the running Airflow; every method returns JSON as Airflow gives it.

    The password is the generated one unless another is given. Raises `AirflowRefused` with `.status` and `.detail`.
    """

    def __init__(self, user: str, password: str | None = None):
        settings = Settings()
        port = settings.ports().airflow
        if settings.airflow_url is None and port is None:
            raise SettingsError(
                f"No Airflow is running for {settings.home} and MAEARI_AIRFLOW_URL is not set. "
                "Start the stack with `make up`, or set the address of your own Airflow."
            )
        self.user = user
        self._password = password if password is not None else _generated_password(settings, user)
        self._http = httpx.Client(base_url=settings.airflow_url or f"http://127.0.0.1:{port}", timeout=30)

    def trigger(self, dag_id: str, conf: dict, run_id: str | None = None) -> dict:
        """Start a run and return it; its name is under `dag_run_id`."""
        body = {"conf": conf, "logical_date": None} | ({"dag_run_id": run_id} if run_id else {})
        return self._call("POST", f"dags/{dag_id}/dagRuns", json=body)

    def dags(self) -> list[dict]:
        """Every DAG that Airflow has read."""
        return self._call("GET", "dags", params={"limit": 100})["dags"]

    def import_errors(self) -> list[dict]:
        """Every DAG file that did not load, with its `filename` and `stack_trace`."""
        return self._call("GET", "importErrors", params={"limit": 100})["import_errors"]

    def dag_run(self, dag_id: str, run_id: str) -> dict:
        """One run."""
        return self._call("GET", f"dags/{dag_id}/dagRuns/{run_id}")

    def dag_runs(self, dag_id: str, limit: int = 25) -> list[dict]:
        """The newest runs of a DAG, newest first."""
        params = {"order_by": "-run_after", "limit": limit}
        return self._call("GET", f"dags/{dag_id}/dagRuns", params=params)["dag_runs"]

    def upstream_asset_events(self, dag_id: str, run_id: str) -> list[dict]:
        """The asset events that started a run, each with its `source_dag_id` and `source_run_id`."""
        return self._call("GET", f"dags/{dag_id}/dagRuns/{run_id}/upstreamAssetEvents")["asset_events"]

    def task_instances(self, dag_id: str, run_id: str) -> list[dict]:
        """The task instances of a run, mapped ones each by itself."""
        found = []
        while True:
            params = {"limit": 100, "offset": len(found)}
            page = self._call("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", params=params)
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def waiting_approvals(self) -> list[dict]:
        """Every question that waits for a person: `approval` and its `dag_id`, `dag_run_id`, `task_id`, `map_index`."""
        params = {"response_received": False, "state": ["awaiting_input", "deferred"], "limit": 100}
        answer = self._call("GET", f"dags/{ANY}/dagRuns/{ANY}/hitlDetails", params=params)
        keys = ("dag_id", "dag_run_id", "task_id", "map_index")
        return [{key: one["task_instance"][key] for key in keys} | one for one in answer["hitl_details"]]

    def approval(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict:
        """Airflow's own record of one question: its text, options and, once answered, who chose what and when."""
        return self._call("GET", _question(dag_id, run_id, task_id, map_index))

    def answer(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        chosen_options: list[str],
        params_input: dict[str, Any],
        map_index: int = -1,
    ) -> dict:
        """Answer a question as this user."""
        body = {"chosen_options": chosen_options, "params_input": params_input}
        return self._call("PATCH", _question(dag_id, run_id, task_id, map_index), json=body)

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> dict:
        """End a run as `success` or `failed`, or queue it anew with `queued`."""
        return self._call("PATCH", f"dags/{dag_id}/dagRuns/{run_id}", json={"state": state})

    def me(self) -> str:
        """The id of the user whom Airflow takes this log-in for, as it stands in its records of questions."""
        # The public API does not say; this is what Airflow's own pages ask.
        return self._call("GET", "auth/me", api="ui")["id"]

    def hand_on(self, asset: str, extra: dict) -> dict:
        """Record an event of an asset, so that the DAGs which wait for it run."""
        found = self._call("GET", "assets", params={"name_pattern": asset, "limit": 100})["assets"]
        numbers = [one["id"] for one in found if one["name"] == asset]
        if not numbers:
            raise AirflowRefused(httpx.codes.NOT_FOUND, f"no DAG that it has read names the asset {asset}")
        return self._call("POST", "assets/events", json={"asset_id": numbers[0], "extra": extra})

    def task_log(self, dag_id: str, run_id: str, task_id: str, try_number: int, map_index: int = -1) -> str:
        """The log of one try as text, error details included."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}"
        answer = self._call("GET", path, params={"map_index": map_index, "full_content": True})
        return "\n".join(_log_line(message) for message in answer["content"])

    def _call(self, method: str, path: str, **arguments) -> dict:
        response = self._send(method, path, **arguments)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self._http.headers.pop("Authorization", None)
            response = self._send(method, path, **arguments)
        return _body(response)

    def _send(self, method: str, path: str, api: str = "api/v2", **arguments) -> httpx.Response:
        try:
            if "Authorization" not in self._http.headers:
                answer = self._http.post("/auth/token", json={"username": self.user, "password": self._password})
                self._http.headers["Authorization"] = f"Bearer {_body(answer)['access_token']}"
            return self._http.request(method, f"/{api}/{path}", **arguments)
        except httpx.TransportError as error:
            raise AirflowRefused(
                None, f"no answer from {self._http.base_url} ({error}); `maeari status` shows whether it runs"
            ) from error


def _generated_password(settings: Settings, user: str) -> str:
    passwords = load_secrets(settings.home).airflow_users
    if user not in passwords:
        raise SettingsError(f"There is no generated log-in for “{user}”, only for {', '.join(passwords)}.")
    return passwords[user].get_secret_value()


def _question(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    return f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{map_index}/hitlDetails"


def _body(response: httpx.Response) -> dict:
    if response.is_success:
        return response.json() if response.content else {}
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:500]
    raise AirflowRefused(response.status_code, f"{response.request.method} {response.request.url.path}: {detail}")


def _log_line(message: dict | str) -> str:
    if isinstance(message, str):
        return message
    lines = [message.get("event", "")]
    for error in message.get("error_detail") or ():
        lines.append(f"{error.get('exc_type')}: {error.get('exc_value')}")
    return "\n".join(lines)
