"""The dashboard, a web page over ``/v1`` that is built from ``clients/dashboard``: its files, and how they are sent."""

from tradeexecutor.web.dashboard.serving import ADDRESS, list_routes

__all__ = ["ADDRESS", "list_routes"]
