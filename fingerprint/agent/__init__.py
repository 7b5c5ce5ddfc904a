"""An installed amazon-ssm-agent: its paths, configuration, unit, proxies, logs and running processes."""
