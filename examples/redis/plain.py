# A book and a numbered change of it, with nothing but PUBLISH: pip install redis.
import itertools, json, os
import redis

r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"))
numbers = itertools.count(1)


def send(*items):
    message = {"from": "example", "n": next(numbers), "items": items}
    return r.publish("tickwire:in:ACME-USD", json.dumps(message))


print(send({"type": "snapshot", "bids": [["10.01", "300"]], "asks": [["10.02", "500"]]}))
print(send({"type": "delta", "bids": [["10.01", "250"]]}))
