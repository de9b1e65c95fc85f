"""What every room shares: settings, clock, Postgres, asset names, statistics, errors, migrations."""
