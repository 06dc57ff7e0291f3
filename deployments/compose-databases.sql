-- Beside the database `prefect` that POSTGRES_DB names: each keeps its own table of migrations.
create database mlflow;
create database ledger;
