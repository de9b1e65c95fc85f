"""Churn: which active customers will buy nothing in the coming 60 days, learned from what they did before."""
