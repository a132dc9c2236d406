"""The reference pages: an OpenAPI document as a page that can be read, and the page of Swagger UI."""
