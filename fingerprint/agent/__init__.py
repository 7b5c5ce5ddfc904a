"""What is known of an installed amazon-ssm-agent: its paths, configuration, unit, proxies and running processes."""
