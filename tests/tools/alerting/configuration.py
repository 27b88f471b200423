"""Configuration of Alertmanager, as `arena alertmanager render` writes it for some secrets."""

import os
import subprocess
from pathlib import Path

# Each secret, with what Alertmanager calls the entries that need it, and in how many receivers there is one.
SECRETS = {
    "pagerduty-routing-key": {"pagerduty_configs": 1},
    "slack-webhook-url": {"slack_configs": 4},
    "smtp-password": {"email_configs": 1},
    "webhook-url": {"webhook_configs": 1},
    "watchdog-webhook-url": {"webhook_configs": 1},
}


def render(scratch: Path, secrets: dict[str, str], settings: dict[str, str] | None = None) -> Path:
    """The rendered file, with these secrets and no others."""
    folder = scratch / "secrets"
    folder.mkdir(exist_ok=True)
    for secret in SECRETS:
        path = folder / secret
        if secret in secrets:
            path.write_text(secrets[secret])
        else:
            path.unlink(missing_ok=True)
    output = scratch / "alertmanager.yml"
    settings = {
        "ARENA_SMTP_ADDRESS": "mail.example:587",
        "ARENA_SMTP_FROM": "arena@mail.example",
        "ARENA_SMTP_TO": "oncall@mail.example",
    } | (settings or {})
    command = [os.environ["ARENA"], "alertmanager", "render", "--secrets", str(folder), "--output", str(output)]
    subprocess.run(command, check=True, env=os.environ | settings)
    return output
