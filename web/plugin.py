"""The Airflow plugin: the pages under /maeari behind Airflow's own log-in, and "Maeari" in the menu."""

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin

from web.app import create_app


class MaeariPlugin(AirflowPlugin):
    """Mounts the pages and shows them in a frame of the Airflow UI."""

    name = "maeari"
    fastapi_apps = [
        {
            "name": "Maeari",
            "app": create_app(authorize=requires_access_view(AccessView.WEBSITE)),
            "url_prefix": "/maeari",
        }
    ]
    external_views = [
        {
            "name": "Maeari",
            "href": "/maeari/",
            "destination": "nav",
            "url_route": "maeari",
            "nav_top_level": True,
        }
    ]
