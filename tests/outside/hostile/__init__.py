"""Hosts that want to get inside: redirects, pages full of scripts, and a canary that counts who comes."""
