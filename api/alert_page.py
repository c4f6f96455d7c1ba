"""The page of one alert, ``/ui/alerts/{alert_id}``, and its files: a document, styles, scripts (``api/pages``).

The page holds no data: it is the same for every alert and every caller, and anyone can read it in the repository. That is why
it needs no key. What it shows it asks of the API's JSON routes in the browser, with the key that the analyst types in, so that
who sees what is decided there, and nowhere else.

Names and command lines of intruders end up on it. Its policy lets no script run but these files, no other host be asked, and no
text become markup (Trusted Types, where the browser has them); the scripts themselves make text nodes only.
"""

from functools import cache
from pathlib import Path

from fastapi import Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

__all__ = ["PAGE_POLICY", "read_alert_page", "read_page_file"]

_FOLDER = Path(__file__).with_name("pages")
_PAGE = "alert.html"
_TYPES = {".css": "text/css", ".mjs": "text/javascript"}

PAGE_POLICY = "; ".join([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src data:",  # the empty icon
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
])  # fmt: skip
"""What browsers let the page do."""


def read_alert_page() -> HTMLResponse:
    """The document; which alert it is about the scripts read off its address."""
    return HTMLResponse(_files()[_PAGE], headers={"Content-Security-Policy": PAGE_POLICY})


def read_page_file(name: str) -> Response:
    """A file that the document names.

    Raises:
        HTTPException: there is none of that name. Names are looked up, never joined to a path.
    """
    kind = _TYPES.get(Path(name).suffix)
    if kind is None or name not in _files():
        raise HTTPException(404)
    return Response(_files()[name], media_type=kind)


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.is_file()}
