"""What tenants and endpoints may be called, at every door."""

__all__ = ["ENDPOINT_NAME", "TENANT_NAME"]

# regular expressions of the whole name; they mean the same to Python and to Java
TENANT_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,126}"
ENDPOINT_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}"
