"""What people open: pages about models, reviews and crawls, mounted in the Airflow UI."""
