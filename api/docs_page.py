"""The page ``/docs``: Swagger UI over the API's own description.

Keys are typed into it, so its script may be none but the one that was looked at: one version, by its digest, and the policy of
the page lets nothing else run or be asked. Its files come from jsDelivr, which serves those of the npm package as they are.
"""

import base64
from hashlib import sha256

from fastapi.responses import HTMLResponse

__all__ = ["read_documentation"]

# digests of package/swagger-ui-bundle.js and package/swagger-ui.css as `npm pack swagger-ui-dist@5.35.0` gives them:
# openssl dgst -sha384 -binary FILE | base64 -w0
_FILES = "https://cdn.jsdelivr.net/npm/swagger-ui-dist@5.35.0"
_SCRIPT = f"{_FILES}/swagger-ui-bundle.js"
_SCRIPT_DIGEST = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
_STYLE = f"{_FILES}/swagger-ui.css"
_STYLE_DIGEST = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"

# the validator would be told where the API is; the address is relative, for proxies that put the API under a path
_START = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null})"""

_PAGE = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Logster API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{_STYLE}" integrity="{_STYLE_DIGEST}" crossorigin="anonymous">
</head>
<body>
<div id="swagger-ui">This page needs Swagger UI from {_FILES}; <a href="openapi.json">openapi.json</a> says the same.</div>
<script src="{_SCRIPT}" integrity="{_SCRIPT_DIGEST}" crossorigin="anonymous"></script>
<script>{_START}</script>
</body>
</html>
"""

_POLICY = "; ".join([
    "default-src 'none'",
    f"script-src {_SCRIPT} 'sha256-{base64.b64encode(sha256(_START.encode()).digest()).decode()}'",
    f"style-src {_STYLE} 'unsafe-inline'",
    "img-src data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
])  # fmt: skip


def read_documentation() -> HTMLResponse:
    """Swagger UI; needs no key."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})
