"""Superset made ready: metadata, roles, administrator, and the dashboards of ``superset/assets`` taken over from YAML.

Runs in Superset's environment (``superset/superset.sh``), where nothing of Dagster or Spark is; all of it can be repeated.
"""

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

from logster.superset_home import sign_in
from pipelines.errors import LogsterError
from pipelines.settings import load_settings

__all__ = ["ASSETS", "bundle", "served_app"]

ASSETS = Path(__file__).resolve().parent.parent / "superset" / "assets"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the least that a zip can say; the same files give the same bundle


def bundle(folder: Path = ASSETS) -> bytes:
    """The YAML files as the zip that Superset imports."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.yaml")):
            name = zipfile.ZipInfo(f"assets/{path.relative_to(folder).as_posix()}", _EPOCH)
            archive.writestr(name, path.read_bytes())
    return data.getvalue()


def served_app(folder: Path = ASSETS) -> Any:  # noqa: ANN401 - Flask's, of another environment
    """Superset's application with everything in it, for gunicorn; one process, since each start of Superset costs 7 s."""
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        _prepare_metadata()
        _import_assets(folder)
    return app


def _prepare_metadata() -> None:
    import superset
    from flask_migrate import upgrade
    from superset.extensions import appbuilder, security_manager

    upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
    appbuilder.add_permissions(update_perms=True)
    security_manager.sync_role_definitions()
    who = sign_in(load_settings())
    user = security_manager.find_user(username=who.user)
    if user is None:
        admin = security_manager.find_role("Admin")
        security_manager.add_user(who.user, "Logster", "Admin", f"{who.user}@localhost", admin, password=who.password)


def _import_assets(folder: Path) -> None:
    """Take over what is in the files.

    Raises:
        LogsterError: one of them is missing or says what Superset does not take.
    """
    from superset.commands.exceptions import CommandInvalidError, ImportFailedError
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.commands.importers.v1.utils import get_contents_from_bundle
    from superset.extensions import security_manager
    from superset.utils.core import override_user

    with zipfile.ZipFile(io.BytesIO(bundle(folder))) as archive:
        contents = get_contents_from_bundle(archive)
    with override_user(security_manager.find_user(username=sign_in(load_settings()).user)):
        try:
            ImportAssetsCommand(contents).run()
        except CommandInvalidError as error:
            raise LogsterError(f"{folder} is not what Superset imports: {error.normalized_messages()}") from error
        except ImportFailedError as error:  # "for an unknown reason", it says
            raise LogsterError(f"{folder} cannot be imported: {error.__cause__!r}; is a file missing?") from error


if __name__ == "__main__":
    served_app(*map(Path, sys.argv[1:]))
