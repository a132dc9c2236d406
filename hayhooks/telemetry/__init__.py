"""What is told of requests and changes to those who run a server."""
