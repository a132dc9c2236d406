"""Who may do what: keys, scopes, and what tells a request of this machine from others. Knows no HTTP library."""
