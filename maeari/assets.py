"""Names of the Airflow assets that hand work from one DAG to the next."""

RAW_REVIEWS = "raw.reviews"
RAW_ARTICLES = "raw.articles"
MARTS = "marts"
SENTIMENT_RETRAINING = "retraining.sentiment"
SENTIMENT_CHALLENGER = "challenger.sentiment"
SENTIMENT_MODEL = "model.sentiment"
SENTIMENT_PREDICTIONS = "predictions.sentiment"
