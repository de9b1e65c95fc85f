-- The image makes the database `maeari`; Airflow and MLflow have one each beside it.
create database airflow;
create database mlflow;
