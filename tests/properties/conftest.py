from hypothesis import HealthCheck, settings

settings.register_profile(
    "properties",
    deadline=None,
    derandomize=True,
    max_examples=15,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("properties")
