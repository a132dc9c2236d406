"""The process of a server: how it starts, is watched and ends."""
