"""The Airflow plugin: the pages and the book bot behind Airflow's own log-in, and "Maeari" in the menu.

Chatbots have no log-in: the bot's endpoint alone is behind its own secret.
"""

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin

from web.app import create_app
from web.skill.app import Skill
from web.skill.app import create_app as create_skill

_authorize = requires_access_view(AccessView.WEBSITE)


class MaeariPlugin(AirflowPlugin):
    """Mounts the pages and shows them in a frame of the Airflow UI."""

    name = "maeari"
    fastapi_apps = [
        {
            "name": "Maeari",
            "app": create_app(authorize=_authorize),
            "url_prefix": "/maeari",
        },
        {
            "name": "Maeari's book bot",
            "app": create_skill(Skill.from_settings, has_chat=True, authorize=_authorize),
            "url_prefix": "/maeari-skill",
        },
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
