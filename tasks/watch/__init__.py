"""The watch: what readers get, what comes in, and the machine, looked at apart from the daily flow."""
