"""Import path of upstream Hayhooks: the factory that is given to uvicorn."""

from hayhooks.app import create_app

get_app = create_app
